"""The profile: answers that the emulator loads, and the evidence for them."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import ee

from cedar._version import __version__
from cedar.exceptions import InputError

from .questions import Finding, Refused

#: Stands for what is the user's own, and nobody else's business.
WITHHELD: Final = "…"
#: Names and numbers of projects in the service's words, but for those that everybody sees. In a
#: sentence, a name is told from a word by its digits or dashes.
_PROJECT: Final = re.compile(
    r"\b(projects/(?!earthengine-(?:public|legacy)\b)"
    r"|project(?:[_ ]number)?[ :#]+['\"]?(?=[\w:.-]*[\d-]))[\w:.-]+",
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


def document(
    findings: Iterable[Finding], engine: Mapping[str, Any], own: Sequence[str]
) -> dict[str, Any]:
    """Put what was found as a profile.

    Parameters
    ----------
    findings : iterable of Finding
        What came of each question.
    engine : mapping
        The engine's identity.
    own : sequence of str
        Names to withhold, besides the project's and accounts: the bucket's.
    """
    found = list(findings)
    names = [name for name in (engine["project"], *own) if name]
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cedar": __version__,
        "client": f"earthengine-api {ee.__version__}",
        "url": engine["url"],
        "emulated": engine["emulated"],
        "answers": {
            finding.question.name: finding.answer
            for finding in found
            if finding.question.is_switch and finding.answer is not None
        },
        "evidence": [_withholding(_evidence(finding), names) for finding in found],
    }


def save(profile: Mapping[str, Any], path: Path) -> None:
    """Write a profile into a new file.

    Raises
    ------
    InputError
        It can't be written, or is there already.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(profile, file, indent=1, ensure_ascii=False)
            file.write("\n")
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror or error}") from error


def _evidence(finding: Finding) -> dict[str, Any]:
    question = finding.question
    return {
        "question": question.name,
        "asks": question.asks,
        "is_switch": question.is_switch,
        "answer": finding.answer,
        "assumed": question.assumed,
        "outcome": finding.outcome,
        "observed": _plain(finding.observed),
        "failure": finding.failure,
        "expected": [
            {"answer": answer, "observation": _plain(expected)}
            for answer, expected in question.expected.items()
        ],
        "requests": list(finding.sent),
    }


def _plain(observed: Any) -> Any:
    if isinstance(observed, Refused):
        return {"refused": observed.words, "status": observed.status}
    return observed


def _withholding(value: Any, names: Sequence[str]) -> Any:
    """Return a value without what is the user's own."""
    match value:
        case str():
            for name in names:
                value = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", WITHHELD, value)
            return _ACCOUNT.sub(WITHHELD, _PROJECT.sub(rf"\1{WITHHELD}", value))
        case Mapping():
            return {key: _withholding(each, names) for key, each in value.items()}
        case list() | tuple():
            return [_withholding(each, names) for each in value]
    return value
