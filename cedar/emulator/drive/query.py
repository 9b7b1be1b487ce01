"""The language of files.list's ``q``, made into a condition on the rows of files.

developers.google.com/workspace/drive/api/v2/ref-search-terms: ``and`` and ``or`` are taken from
left to right, neither before the other. Titles are compared without regard to case; ``contains``
looks for each word as the beginning of one of the title's.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Final

from ..values import ServiceError

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<mark>[()])|(?P<operator><=|>=|!=|=|<|>)"
    r"|'(?P<text>(?:\\.|[^'\\])*)'|(?P<word>[A-Za-z]+))",
    re.DOTALL,
)
_WORD: Final = re.compile(r"[^\W_]+")
#: Values that a q compares with, and how deep it goes: less than SQLite can take.
_MOST, _DEEPEST = 300, 20
_EQUALITY: Final = ("=", "!=")
_ORDER: Final = (*_EQUALITY, "<", "<=", ">", ">=")
#: Field → column, and the operators it takes.
_TEXTS: Final = {
    "title": ("folded", (*_EQUALITY, "contains")),
    "mimeType": ("mime", (*_EQUALITY, "contains")),
    "modifiedDate": ("modified", _ORDER),
}
_FLAGS: Final = {"trashed": "trashed", "starred": "starred"}


def words(text: str) -> str:
    """Words of a title as they are searched, each with a space before it."""
    return "".join(f" {word}" for word in _WORD.findall(text.casefold()))


def milliseconds(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, in UTC where it doesn't say.

    Raises
    ------
    ServiceError
        It is none.
    """
    try:
        time = dt.datetime.fromisoformat(text)
        return round((time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _invalid(f"{text!r} is no date") from None


@dataclass(frozen=True)
class Asker:
    """Who asks: an account, and the id of its root folder."""

    account: str
    root: str


@dataclass(frozen=True)
class Condition:
    """A condition on rows of ``drive_files``.

    Attributes
    ----------
    sql : str
    values : tuple
        Of its question marks.
    folders : tuple of str
        Ids of the folders that it names.
    operator : str
        What joins its parts, if anything does: ``AND`` or ``OR``.
    depth : int
        How far its parentheses go.
    """

    sql: str
    values: tuple[str | int | bool, ...] = ()
    folders: tuple[str, ...] = ()
    operator: str = ""
    depth: int = 0

    def joined(self, operator: str, other: Condition) -> Condition:
        """Both, by ``AND`` or ``OR``."""
        left, right = self._part_of(operator), other._part_of(operator)
        return Condition(
            f"{left.sql} {operator} {right.sql}",
            self.values + other.values,
            self.folders + other.folders,
            operator,
            max(left.depth, right.depth),
        )

    def _part_of(self, operator: str) -> Condition:
        if self.operator in ("", operator):
            return self
        return replace(self, sql=f"({self.sql})", depth=self.depth + 1)

    def negated(self) -> Condition:
        """Its opposite."""
        return replace(self, sql=f"NOT ({self.sql})", operator="", depth=self.depth + 1)


def condition(q: str, asker: Asker) -> Condition:
    """Understand a ``q``; one that is empty holds for every file.

    Raises
    ------
    ServiceError
        It can't be understood.
    """
    if not q.strip():
        return Condition("1")
    parser = _Parser(_tokens(q), asker)
    try:
        whole = parser.terms()
    except RecursionError:
        raise _invalid("The query is too complex") from None
    parser.expect("end")
    if len(whole.values) > _MOST or whole.depth > _DEEPEST:
        raise _invalid("The query is too complex")
    return whole


def _tokens(q: str) -> list[tuple[str, str]]:
    tokens, at, end = [], 0, len(q.rstrip())
    while at < end:
        match = _TOKEN.match(q, at)
        if match is None or match.lastgroup is None:
            raise _invalid(f"nothing is known that begins with {q[at : at + 20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    if len(tokens) > 4 * _MOST:
        raise _invalid("The query is too complex")
    return [*tokens, ("end", "the end")]


def _invalid(problem: str) -> ServiceError:
    return ServiceError(f"Invalid query: {problem}.", reason="invalid")


class _Parser:
    """Descends through the tokens of a q, each a kind and its text."""

    def __init__(self, tokens: list[tuple[str, str]], asker: Asker):
        self._tokens, self._at, self._asker = tokens, 0, asker

    def expect(self, kind: str) -> str:
        """The next token's text, which must be of a kind."""
        got, text = self._tokens[self._at]
        if got != kind:
            raise _invalid(f"{text!r} stands where a {kind} should")
        self._at += 1
        return text

    def _takes(self, *texts: str) -> str | None:
        """The next token's text, taken if it is one of these words or marks."""
        kind, text = self._tokens[self._at]
        if kind not in ("word", "mark") or text not in texts:
            return None
        self._at += 1
        return text

    def terms(self) -> Condition:
        left = self._term()
        while operator := self._takes("and", "or"):
            left = left.joined(operator.upper(), self._term())
        return left

    def _term(self) -> Condition:
        negations = 0
        while self._takes("not"):
            negations += 1
        if self._takes("("):
            term = self.terms()
            if not self._takes(")"):
                raise _invalid("a parenthesis isn't closed")
        elif self._tokens[self._at][0] == "text":
            term = self._membership()
        else:
            term = self._comparison()
        return term.negated() if negations % 2 else term

    def _membership(self) -> Condition:
        value = self._text()
        if not self._takes("in"):
            raise _invalid(f"'in' should follow {value!r}")
        match self.expect("word"):
            case "parents":
                folder = self._asker.root if value == "root" else value
                return Condition("parent IS ?", (folder,), (folder,))
            case "owners":
                return Condition("owner = ?", (self._asker.account if value == "me" else value,))
            case other:
                raise _invalid(f"the emulator knows no files by {other!r}")

    def _comparison(self) -> Condition:
        field = self.expect("word")
        operator = self._takes("contains") or self.expect("operator")
        if field in _TEXTS:
            column, operators = _TEXTS[field]
        elif field in _FLAGS or field == "sharedWithMe":
            column, operators = _FLAGS.get(field, ""), _EQUALITY
        else:
            raise _invalid(f"the emulator knows no field {field!r}")
        if operator not in operators:
            raise _invalid(f"{field} takes no {operator!r}")
        if field not in _TEXTS:
            return self._flag(column, operator)
        return _compared(field, column, operator, self._text())

    def _flag(self, column: str, operator: str) -> Condition:
        value = self._takes("true", "false")
        if value is None:
            raise _invalid("true or false should stand there")
        wanted = (value == "true") == (operator == "=")
        if column:
            return Condition(f"{column} = ?", (wanted,))
        shared = Condition(
            "EXISTS (SELECT 1 FROM drive_permissions WHERE file = drive_files.id AND account = ?)",
            (self._asker.account,),
        )
        return shared if wanted else shared.negated()

    def _text(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.expect("text"), flags=re.DOTALL)


def _compared(field: str, column: str, operator: str, value: str) -> Condition:
    match field, operator:
        case "title", "contains":
            found = tuple(f" {word}" for word in words(value).split())
            sql = " AND ".join(["instr(words, ?) > 0"] * len(found)) or "1"
            return Condition(sql, found, operator="AND")
        case "mimeType", "contains":
            return Condition("instr(mime, ?) > 0", (value,))
        case "title", _:
            return Condition(f"{column} {operator} ?", (value.casefold(),))
        case "modifiedDate", _:
            return Condition(f"{column} {operator} ?", (milliseconds(value),))
    return Condition(f"{column} {operator} ?", (value,))
