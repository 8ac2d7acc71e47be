"""A file's lines, exactly as they are, and what of each keepalived looks at.

The text is decoded so that any bytes come back (``surrogateescape``); a line keeps its own end.
So ``text`` of an untouched document is what was read, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from lvslab.conf.errors import MAX_BYTES, ConfError, Position

#: What separates words for keepalived (isspace() of the C locale).
SPACE = " \t\f\n\r\v"
_WORD = re.compile(r'"[^"]*"?|[^\s"]+', re.ASCII)
#: Where decomment() of keepalived's lib/parser.c stops to look.
_SPECIAL = re.compile(r'[!#"\\]')


@dataclass(frozen=True, slots=True)
class Word:
    """One word: its value without quotes, and where it is."""

    value: str
    at: Position
    quoted: bool = False
    #: A quote that is opened and not closed: keepalived drops the word.
    open_quote: bool = False
    #: What is between it and the word before it: nothing in ``"a"b``, which is two words.
    gap: str = " "

    @property
    def raw(self) -> str:
        """It with its quotes."""
        if not self.quoted:
            return self.value
        return f'"{self.value}' if self.open_quote else f'"{self.value}"'


@dataclass(frozen=True, slots=True)
class Text:
    """What is left of a line without comment and outer blanks, and where it begins.

    ``exact``: column + offset is the place of a character in the file.
    """

    value: str
    at: Position
    exact: bool = True
    open_quote: bool = False

    def words(self, start: int = 0, end: int | None = None) -> list[Word]:
        """Return the words between two offsets (alloc_strvec_r() of lib/parser.c)."""
        found: list[Word] = []
        before = start
        for match in _WORD.finditer(self.value, start, len(self.value) if end is None else end):
            raw = match[0]
            quoted = raw[0] == '"'
            unclosed = quoted and (len(raw) == 1 or raw[-1] != '"')
            value = (raw[1:] if unclosed else raw[1:-1]) if quoted else raw
            at = self.place(match.start(), match.end())
            found.append(Word(value, at, quoted, unclosed, self.value[before : match.start()]))
            before = match.end()
        return found

    def place(self, start: int, end: int) -> Position:
        """Return the position of a part of this text."""
        if not self.exact:
            return self.at
        column = self.at.column
        return Position(self.at.file, self.at.line, column + start, column + end)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace [``column``, ``end``) of a line by ``new``; ``line`` and columns count from 1.

    ``drop``: the whole line goes, with its end.
    """

    line: int
    column: int = 1
    end: int = 1
    new: str = ""
    drop: bool = False


def decomment(text: str, at: Position, *, exact: bool = True) -> Text:
    r"""Return a line without its comment (decomment() of lib/parser.c).

    A comment starts at ``!`` or ``#`` anywhere outside double quotes; ``\#`` and ``\!`` are the
    characters themselves. A backslash at the end joins the next line, even that of a comment.
    """
    body = text.lstrip(" \t")
    column = at.column + len(text) - len(body) if exact else at.column
    quote = comment = False
    position, parts, kept = 0, [], 0
    end = len(body)
    tail = ""
    while match := _SPECIAL.search(body, position):
        here, position = match.start(), match.end()
        if match[0] == "\\":
            if position == len(body):
                end, tail = min(end, here), "\\"
                break
            if not quote and not comment and body[position] in "#!":
                parts.append(body[kept:here])
                kept = position
            position += 1
        elif comment:
            continue
        elif match[0] == '"':
            quote = not quote
        elif not quote:
            end, comment = here, True
    whole = "".join((*parts, body[kept:end]))
    value = whole.rstrip(" \t") + tail
    # A backslash at the end moves up over blanks and comment: then it is not where it was.
    exact = exact and not parts and not (tail and (comment or value != whole + tail))
    where = Position(at.file, at.line, column, column + len(value) if exact else 0)
    return Text(value, where, exact, quote)


@dataclass(frozen=True)
class Document:
    """One file."""

    name: str
    text: str

    @classmethod
    def of(cls, name: str, data: bytes) -> Document:
        """Return the document of a file's bytes. Raises ConfError when it is no configuration."""
        if len(data) > MAX_BYTES:
            raise ConfError("is too large", where=f"{name}:1:1", fix="split it, by include")
        return cls(name, data.decode("utf-8", "surrogateescape"))

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines, each with its end."""
        # Not splitlines(): a form feed ends no line for keepalived.
        return tuple(re.findall(r"[^\n]*\n|[^\n]+", self.text))

    def line(self, number: int) -> str:
        """Return a line by its number from 1, without its end; empty where there is none."""
        if not 1 <= number <= len(self.lines):
            return ""
        return self.lines[number - 1].rstrip("\r\n")

    def encode(self) -> bytes:
        """Return the bytes: those that were read, if nothing was changed."""
        return self.text.encode("utf-8", "surrogateescape")

    def edited(self, edits: Iterable[Edit]) -> Document:
        """Return a document with edits made. Of two that overlap the second is left out."""
        lines = list(self.lines)
        by_line: dict[int, list[Edit]] = {}
        for edit in edits:
            if 1 <= edit.line <= len(lines):
                by_line.setdefault(edit.line, []).append(edit)
        for number, own in by_line.items():
            if any(e.drop for e in own):
                lines[number - 1] = ""
                continue
            line, before = lines[number - 1], len(lines[number - 1]) + 1
            for edit in sorted(own, key=lambda e: (-e.end, -e.column)):
                if edit.end <= before and edit.column <= edit.end:
                    line = line[: edit.column - 1] + edit.new + line[edit.end - 1 :]
                    before = edit.column
            lines[number - 1] = line
        return Document(self.name, "".join(lines))
