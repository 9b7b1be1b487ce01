"""How long `cedar --help` takes, beside the import of click that it can't do without."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 10
LIMIT = 2.5
CLICK = "import click"
HELP = "cedar --help"
COMMANDS = {
    CLICK: [sys.executable, "-c", "import click"],
    HELP: [str(Path(sys.executable).with_name("cedar")), "--help"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    for command in COMMANDS.values():
        seconds(command)  # Once for nothing, so that what is compiled is written.
    # Side by side, so that whatever else the machine does slows down both.
    rounds = [{name: seconds(command) for name, command in COMMANDS.items()} for _ in range(ROUNDS)]
    median = {name: statistics.median(each[name] for each in rounds) for name in COMMANDS}
    print(f"{'median of ' + str(ROUNDS):<16}{'ms':>6}  {'× click':>7}")
    for name, time_taken in median.items():
        print(f"{name:<16}{1000 * time_taken:>6.0f}  {time_taken / median[CLICK]:>7.2f}")
    ratio = median[HELP] / median[CLICK]
    if ratio > LIMIT:
        sys.exit(f"{HELP} takes {ratio:.2f} × {CLICK}: more than {LIMIT}")


if __name__ == "__main__":
    main()
