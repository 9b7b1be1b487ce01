"""`cedar emulator compare`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from .base import Command, Settings, load_config
from .errors import DONE, FAILED
from .output import confirmed, note, number, on_terminal, progress, table, write

if TYPE_CHECKING:
    from cedar.engines.earthengine import EarthEngine
    from cedar.engines.earthengine.compare import Exports, Finding, Question

#: Most of an observation that is shown; the profile has all of it.
_SHOWN: Final = 100


@click.command(cls=Command)
@click.option("--live", is_flag=True, help="Ask; without it nothing is.")
@click.option(
    "--bucket",
    metavar="NAME",
    help="A Cloud Storage bucket that exports may write to, for the questions about tasks.",
)
@click.option("--yes", is_flag=True, help="Don't ask whether to.")
@click.option(
    "--profile",
    metavar="FILE",
    default="earthengine-profile.json",
    show_default=True,
    help="The file to write.",
)
@click.pass_obj
def compare(settings: Settings, live: bool, bucket: str | None, yes: bool, profile: str) -> int:
    """Ask Earth Engine what isn't documented of it.

    Without --live it says what it would ask, and what that would cost. With it, it asks the Earth
    Engine of the configuration, and writes what it finds, with the evidence, as a profile that
    `cedar emulator --profile FILE` answers by. Ends with 1 where a question could not be asked.
    """
    from cedar.config import Section
    from cedar.engines.earthengine.compare import Exports, document, planned, save

    questions = planned(with_bucket=bucket is not None)
    if not live:
        write(settings, _plan(questions, bucket), _planned(questions, bucket))
        return DONE
    path = _free(Path(profile))
    config = load_config(settings)
    if bucket is not None:
        configured = config.store.settings if config.store.kind == "gcs" else {}
        config = replace(config, store=Section("gcs", {**configured, "bucket": bucket}))
    # There is no other engine.
    engine = cast("EarthEngine", config.open_engine())
    engine.check()
    if not yes and not _agreed(engine, questions, bucket):
        note(settings, "nothing was asked")
        return FAILED
    settings.interrupted = "no profile was written"
    exports = None if bucket is None else Exports(config.open_store())
    findings = _ask(settings, engine, questions, exports)
    found = document(findings, engine.identity(), [] if bucket is None else [bucket])
    try:
        save(found, path)
    finally:
        write(settings, found, _found(findings))
    note(settings, f"written: {path}; next: cedar emulator --profile {shlex.quote(str(path))}")
    return FAILED if any(finding.failure is not None for finding in findings) else DONE


def _free(path: Path) -> Path:
    """The path, where a profile can be written to it.

    Raises
    ------
    InputError
        Something is there, or its directory isn't.
    """
    from cedar.exceptions import InputError

    if path.exists() or not path.parent.is_dir():
        wrong = "is there already" if path.exists() else "has no directory"
        raise InputError(f"{path} {wrong}: name another file with --profile")
    return path


def _agreed(engine: EarthEngine, questions: Sequence[Question], bucket: str | None) -> bool:
    """Whether a person agrees to the costs.

    Raises
    ------
    click.UsageError
        There is none to ask.
    """
    if not on_terminal():
        raise click.UsageError("without a terminal to ask on, --live needs --yes")
    for line in _costs(questions, bucket):
        click.echo(line, err=True)
    project = "" if engine.project is None else f", as project {engine.project}"
    return confirmed(f"Ask {engine.url}{project}?")


def _ask(
    settings: Settings,
    engine: EarthEngine,
    questions: Sequence[Question],
    exports: Exports | None,
) -> list[Finding]:
    from cedar.engines.earthengine.compare import compare as ask

    with progress(settings, "asking") as report:

        def asking(question: Question) -> None:
            report(questions.index(question) / len(questions), question.name)

        return list(ask(engine, questions, exports, asking))


def _plan(questions: Iterable[Question], bucket: str | None) -> dict[str, Any]:
    from cedar.engines.earthengine.compare import SETUP_REQUESTS, TASKS

    listed = [
        {"question": question.name, "asks": question.asks, "requests": question.requests}
        for question in questions
    ]
    return {
        "questions": listed,
        "requests": sum(question.requests for question in questions) + SETUP_REQUESTS,
        "tasks": 0 if bucket is None else TASKS,
    }


def _planned(questions: Sequence[Question], bucket: str | None) -> Iterator[str]:
    from cedar.engines.earthengine.compare import NOT_ASKED

    yield from table(
        ("question", "what it asks", "requests"),
        ((question.name, question.asks, question.requests) for question in questions),
    )
    yield from _costs(questions, bucket)
    if bucket is None:
        yield "With --bucket NAME it would also ask about tasks and their files."
    yield f"Not asked in any case: {', '.join(NOT_ASKED)}."
    yield "Nothing was asked; --live asks."


def _costs(questions: Sequence[Question], bucket: str | None) -> Iterator[str]:
    """What a comparison sends and costs, in lines."""
    plan = _plan(questions, bucket)
    yield (
        f"{number(plan['requests'], 'request')} to Earth Engine, for values or at most 61 × 61 "
        "pixels; three are for more than it is said to give. The compute time (EECU) is negligible."
    )
    if bucket is not None:
        yield (
            f"{number(plan['tasks'], 'export task')} of at most 512 × 256 pixels, looked at every "
            f"10 s until they end; their files, a few KB in {bucket}, are deleted at the end."
        )


def _found(findings: Iterable[Finding]) -> Iterator[str]:
    """What came of each question, in lines."""
    rows = []
    for finding in findings:
        answer = finding.answer
        said = str(finding.failure or finding.observed) if answer is None else str(answer)
        rows.append((finding.question.name, finding.outcome, said[:_SHOWN]))
    yield from table(("question", "outcome", "answer"), rows)
