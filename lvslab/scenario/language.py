"""The sentences in which a scenario says what it expects.

    SUBJECT [of NAME] [OPERATOR VALUE] [within LIMIT] [from TIME [to TIME]]

    outage <= auto                  holders == 1 within 4s
    outage of second within auto    share_of rs1 within 45%..55% from 5s
    failed_requests <= 2%           log of lvs2 contains "invalid passwd"

``auto`` is the bound that the configuration under test promises. Which subjects there are, and
what each takes, is known to :mod:`lvslab.scenario.expectations`; this is the grammar alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from lvslab import durations

Operator = Literal["<=", "<", ">=", ">", "==", "!=", "within", "contains"]
Unit = Literal["", "s", "%"]

_OPERATORS: tuple[Operator, ...] = ("<=", ">=", "==", "!=", "<", ">", "within", "contains")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<op><=|>=|==|!=|<|>)|(?P<dots>\.\.)
    |(?P<word>(?:(?!\.\.)[^\s"'<>=!])+))""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


class SentenceError(ValueError):
    """A sentence that makes no sense; says what, and what was meant."""

    def __init__(self, message: str, hint: str = "", column: int = 0) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        #: Characters from the sentence's begin.
        self.column = column


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit: seconds, percent, or none."""

    value: float
    unit: Unit

    def __str__(self) -> str:
        return f"{round(self.value, 6):g}{' s' if self.unit == 's' else self.unit}"


@dataclass(frozen=True, slots=True)
class Span:
    """``45%..55%``."""

    low: Quantity
    high: Quantity

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


@dataclass(frozen=True, slots=True)
class Auto:
    """The bound of the configuration under test."""

    def __str__(self) -> str:
        return "auto"


@dataclass(frozen=True, slots=True)
class Word:
    """A name, or quoted text."""

    text: str

    def __str__(self) -> str:
        return self.text


Value = Quantity | Span | Auto | Word


@dataclass(frozen=True, slots=True)
class Sentence:
    """One expectation, taken apart."""

    text: str
    subject: str
    #: ``of NAME``, or the name that follows ``share_of``.
    of: str | None = None
    operator: Operator | None = None
    value: Value | None = None
    #: ``within LIMIT`` after an operator and its value.
    limit: Quantity | Auto | None = None
    #: Seconds after the first fault (or the begin, where there is none).
    since: float | None = None
    until: float | None = None


def parse(text: str) -> Sentence:
    """Take a sentence apart. Raises SentenceError."""
    return _Parser(text).sentence()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None:
                raise _nonsense(text, place)
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind], match.start(kind)))
            place = match.end()
        self._next = 0

    def sentence(self) -> Sentence:
        if not self._tokens:
            raise SentenceError("there is nothing in it", "such as 'outage within auto'")
        kind, subject, column = self._take("a subject")
        if kind != "word":
            raise SentenceError(f"{subject!r} is where a word such as 'outage' belongs", "", column)
        of = self._name() if subject.endswith("_of") or self._skip("of") else None
        operator, value, limit = self._comparison()
        since = until = None
        if self._skip("from"):
            since = self._seconds()
            if self._skip("to"):
                column = self._column()
                until = self._seconds()
                if until <= since:
                    raise SentenceError("the end of a span of time comes after its begin",
                                        "from 2s to 5s", column)  # fmt: skip
        if self._next < len(self._tokens):
            _, word, column = self._tokens[self._next]
            raise SentenceError(
                f"{word!r} is more than can be said here",
                "SUBJECT [of NAME] [OPERATOR VALUE] [within LIMIT] [from TIME [to TIME]]",
                column,
            )
        return Sentence(self._text, subject, of, operator, value, limit, since, until)

    def _comparison(self) -> tuple[Operator | None, Value | None, Quantity | Auto | None]:
        if self._next == len(self._tokens):
            return None, None, None
        operator = self._tokens[self._next][1]
        if operator not in _OPERATORS:
            return None, None, None
        self._next += 1
        value = self._value()
        limit = None
        if operator != "within" and self._skip("within"):
            column = self._column()
            found = self._value()
            if not isinstance(found, Quantity | Auto) or (
                isinstance(found, Quantity) and found.unit != "s"
            ):
                raise SentenceError(
                    f"'within {found}' is no time", "write a time such as 4s, or auto", column
                )
            limit = found
        return operator, value, limit

    def _value(self) -> Value:
        kind, word, column = self._take("a value")
        if kind == "text":
            if not word[1:-1]:
                raise SentenceError("there is nothing between the quotes", "", column)
            return Word(word[1:-1])
        if word == "auto":
            return Auto()
        if kind != "word":
            raise SentenceError(f"{word!r} is where a value belongs", "", column)
        low = _quantity(word, column)
        if self._next < len(self._tokens) and self._tokens[self._next][0] == "dots":
            self._next += 1
            _, word, end = self._take("the end of the range")
            high = _quantity(word, end)
            if low is None or high is None or low.unit != high.unit or low.value > high.value:
                raise SentenceError(
                    "a range has two numbers of one kind, the smaller first: 45%..55%", "", column
                )
            return Span(low, high)
        return Word(word) if low is None else low

    def _seconds(self) -> float:
        _, word, column = self._take("a time such as 5s")
        found = _quantity(word, column)
        if found is None or found.unit == "%":
            raise SentenceError(f"{word!r} is no time: write 500ms, 5s or 2m", "", column)
        return found.value

    def _name(self) -> str:
        kind, word, column = self._take("a name")
        if kind != "word" or word in _OPERATORS:
            raise SentenceError(f"{word!r} is where a name belongs", "", column)
        return word

    def _skip(self, word: str) -> bool:
        found = self._next < len(self._tokens) and self._tokens[self._next][1] == word
        self._next += found
        return found

    def _column(self) -> int:
        """Return where the next word is, or the sentence's end."""
        rest = self._tokens[self._next :]
        return rest[0][2] if rest else len(self._text)

    def _take(self, what: str) -> tuple[str, str, int]:
        if self._next == len(self._tokens):
            raise SentenceError(f"{what} is missing at its end", "", len(self._text))
        self._next += 1
        return self._tokens[self._next - 1]


def _nonsense(text: str, place: int) -> SentenceError:
    rest = text[place:].lstrip()
    column = len(text) - len(rest)
    if rest[0] in "\"'":
        return SentenceError("the quoted text that begins here never ends", "", column)
    hint = "write == or !=" if rest[0] in "=!" else ""
    return SentenceError(f"{rest[0]!r} makes no sense here", hint, column)


def _quantity(word: str, column: int) -> Quantity | None:
    if match := _PERCENT.fullmatch(word):
        found = Quantity(float(match[1]), "%")
    elif _NUMBER.fullmatch(word):
        found = Quantity(float(word), "")
    else:
        seconds = durations.parse(word)
        if seconds is None:
            return None
        found = Quantity(seconds, "s")
    if not isfinite(found.value):
        raise SentenceError("that many digits are no number", "", column)
    return found
