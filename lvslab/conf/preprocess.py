"""From files to the lines that keepalived works on: includes, conditions, definitions, sequences.

The order of things is that of read_line() in keepalived's lib/parser.c: comments first, then
``include``, ``@id``, ``$NAME=``, ``~SEQ`` and ``~LST``, ``$NAME``. All of it has limits,
because a configuration of ten lines can ask for more lines than there is memory.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lvslab.conf.errors import ConfError, Issue, Position, read_bytes
from lvslab.conf.lexer import SPACE, Document, Text, decomment
from lvslab.conf.sequences import repetitions

_DEFINITION = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)=", re.ASCII)
_USE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)((?:[ \t]+\d+){0,2})[ \t]*\}"
                  r"|([A-Za-z_][A-Za-z0-9_]*)(?=[ \t]|$))", re.ASCII)  # fmt: skip
_INCLUDE = re.compile(r"include([rmwba]?)[ \t]+(.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a configuration may become."""

    include_depth: int = 16
    includes: int = 1000
    lines: int = 400_000
    characters: int = 64 * 1024 * 1024
    line: int = 65_536
    #: Substitutions within one line, nested ones included.
    nesting: int = 200


@dataclass(slots=True)
class Expanded:
    """The lines that are left, in order, and what was noticed on the way."""

    lines: list[Text] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    files: dict[str, Document] = field(default_factory=dict)


@dataclass(slots=True)
class _Definition:
    lines: list[Text]
    multiline: bool


@dataclass(frozen=True, slots=True)
class _Work:
    text: Text
    nesting: int
    #: Of a round of ~SEQ or ~LST: what is defined before the line is looked at.
    values: dict[str, str] | None = None


def expand(
    document: Document, *, folder: Path, config_id: str | None = None, limits: Limits | None = None
) -> Expanded:
    """Return the lines of a document with everything resolved.

    ``folder`` is where relative includes begin; ``config_id`` is keepalived's ``-i``. Raises
    ConfError, with a position, when a limit is exceeded or an included file cannot be read.
    """
    run = _Run(limits or Limits(), config_id, Expanded())
    run.file(document, folder, 0)
    return run.result


class _Run:
    def __init__(self, limits: Limits, config_id: str | None, result: Expanded) -> None:
        self.limits = limits
        self.config_id = config_id
        self.result = result
        self.definitions: dict[str, _Definition] = {}
        self.open_definition: _Definition | None = None
        self.steps = 0
        self.characters = 0
        self.included = 0

    def issue(self, kind: str, at: Position, text: str) -> None:
        self.result.issues.append(Issue(kind, at, text))

    def file(self, document: Document, folder: Path, depth: int) -> None:
        self.result.files[document.name] = document
        for number, raw in enumerate(document.lines, 1):
            at = Position(document.name, number, 1, 0)
            bare = raw.rstrip("\r\n")
            if not bare:
                self.open_definition = None
                continue
            if "\0" in bare:
                self.issue("nul", at, "a NUL character: keepalived ignores the line")
                continue
            text = decomment(bare, at)
            if text.open_quote:
                self.issue("quote", text.at, "a quote is opened and not closed")
            if not text.value:
                continue
            if self.open_definition is not None:
                self._more(text)
                continue
            self._work(text, folder, depth)

    def _more(self, text: Text) -> None:
        definition = self.open_definition
        assert definition is not None
        ends = not text.value.endswith("\\")
        value = text.value if ends else text.value[:-1].rstrip(" \t")
        if value:
            definition.lines.append(replace(text, value=value))
        if ends:
            self.open_definition = None

    def _work(self, text: Text, folder: Path, depth: int) -> None:
        todo = deque([_Work(text, 0)])
        while todo:
            work = todo.popleft()
            self._count(work.text)
            more = self._step(work, folder, depth)
            if more is not None:
                todo.extendleft(reversed(more))

    def _count(self, text: Text) -> None:
        self.steps += 1
        self.characters += len(text.value)
        if self.steps > self.limits.lines or self.characters > self.limits.characters:
            raise ConfError(
                f"this becomes more than {self.limits.lines} lines",
                where=str(text.at),
                fix="make the ~SEQ, the includes or the definitions smaller",
            )
        if len(text.value) > self.limits.line:
            raise ConfError(
                f"this becomes a line of more than {self.limits.line} characters",
                where=str(text.at),
                fix="keepalived itself takes 1023",
            )

    def _step(self, work: _Work, folder: Path, depth: int) -> list[_Work] | None:
        """Do one thing to a line; what has to be looked at again is returned."""
        text = work.text
        for name, value in (work.values or {}).items():
            self.definitions[name] = _Definition([Text(value, text.at, exact=False)], False)
        if not text.value:
            return None
        if (match := _INCLUDE.match(text.value)) is not None:
            self._include(match, text, folder, depth)
            return None
        if self.open_definition is not None:
            self._more(text)
            return None
        if text.value[0] == "@":
            left = self._condition(text)
            return None if left is None else [_Work(left, work.nesting)]
        if text.value[0] == "$" and self._define(text):
            return None
        if text.value.startswith(("~SEQ", "~LST")):
            return self._repeat(work)
        if "$" in text.value:
            replaced = self._substitute(work, folder)
            if replaced is not None:
                return replaced
        self.result.lines.append(text)
        return None

    def _condition(self, text: Text) -> Text | None:
        negative = text.value.startswith("@^")
        start = 2 if negative else 1
        end = next((i for i, c in enumerate(text.value) if i >= start and c in " \t"), -1)
        if end < 0 or (text.value[start:end] == self.config_id) == negative:
            return None
        return _cut(text, end)

    def _define(self, text: Text) -> bool:
        match = _DEFINITION.match(text.value)
        if match is None:
            return False
        rest = text.value[match.end() :].strip(" \t")
        definition = _Definition([], multiline=rest == "\\")
        self.definitions[match[1]] = definition
        if definition.multiline:
            self.open_definition = definition
        else:
            definition.lines.append(replace(_cut(text, match.end()), value=rest))
        return True

    def _repeat(self, work: _Work) -> list[_Work] | None:
        made = repetitions(work.text.value, self.limits.lines)
        if made is None:
            self.issue("repeat", work.text.at, f"{work.text.value[:4]} that cannot be read")
            return None
        rest, rounds = made
        if work.nesting >= self.limits.nesting:
            raise self._too_deep(work)
        # As keepalived does: a definition, so that what is substituted later sees it, too.
        text = replace(_cut(work.text, len(work.text.value) - len(rest)), value=rest)
        return [_Work(text, work.nesting + 1, values) for values in rounds]

    def _too_deep(self, work: _Work) -> ConfError:
        return ConfError(
            f"more than {self.limits.nesting} substitutions in one line",
            where=str(work.text.at),
            fix="does a definition contain itself?",
        )

    def _substitute(self, work: _Work, folder: Path) -> list[_Work] | None:
        """Replace the first thing that is defined; None when nothing is."""
        text = work.text
        for match in _USE.finditer(text.value):
            name = match[1] or match[3]
            lines = self._value(name, match[2] or "", text, folder)
            if lines is None:
                # Without any definition a $ is a $, and a script may have some.
                if self.definitions:
                    at = text.place(match.start(), match.end())
                    self.issue("undefined", at, name)
                continue
            if work.nesting >= self.limits.nesting:
                raise self._too_deep(work)
            before, after = text.value[: match.start()], text.value[match.end() :]
            whole = not before and not after
            parts = [before, *([""] * (len(lines) - 1))]
            out = []
            for i, line in enumerate(lines):
                value = parts[i] + line.value + (after if i == len(lines) - 1 else "")
                # A line of a body is found in the body; a value, where it is used.
                body = len(lines) > 1 and (0 < i < len(lines) - 1 or whole)
                if body:
                    out.append(_Work(replace(line, value=value), work.nesting + 1))
                else:
                    at = line.at if len(lines) > 1 else text.at
                    made = decomment(value, replace(at, end=0), exact=False)
                    out.append(_Work(made, work.nesting + 1))
            return out
        return None

    def _value(self, name: str, numbers: str, text: Text, folder: Path) -> list[Text] | None:
        if (known := self.definitions.get(name)) is not None:
            return known.lines or [Text("", text.at, exact=False)]
        # A fixed number for _RANDOM: the same file must give the same findings.
        fixed = {
            "_PWD": str(folder),
            "_INSTANCE": self.config_id or "",
            "_RANDOM": (numbers.split() or ["0"])[0],
            "_HASH": "\\#",
            "_BANG": "\\!",
        }
        return [Text(fixed[name], text.at, exact=False)] if name in fixed else None

    def _include(self, match: re.Match[str], text: Text, folder: Path, depth: int) -> None:
        pattern = match[2].strip('"' + SPACE)
        if depth >= self.limits.include_depth:
            raise ConfError(
                f"includes are nested more than {self.limits.include_depth} deep",
                where=str(text.at),
                fix="does a file include itself?",
            )
        found = 0
        for path in _matches(folder, pattern):
            found += 1
            self.included += 1
            if self.included > self.limits.includes:
                raise ConfError(
                    f"more than {self.limits.includes} files are included",
                    where=str(text.at),
                    fix="does a file include itself?",
                )
            data = read_bytes(path)
            self.file(Document.of(str(path), data), path.parent, depth + 1)
        if not found:
            self.issue("include", text.at, pattern)


def _cut(text: Text, start: int) -> Text:
    """Return what begins at an offset, without leading blanks."""
    rest = text.value[start:]
    kept = rest.lstrip(" \t")
    skipped = start + len(rest) - len(kept)
    at = text.at
    if text.exact:
        at = Position(at.file, at.line, at.column + skipped, at.end)
    return replace(text, value=kept, at=at)


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files of a pattern (glob(3) with braces), sorted, hidden ones only if named."""
    if not pattern or len(pattern) > 4096:
        return
    for one in _braces(pattern):
        base = Path(one).anchor or None
        start = Path(base) if base else folder
        rest = one.lstrip("/") if base else one
        if not any(c in rest for c in "*?["):
            candidate = start / rest
            if candidate.is_file():
                yield candidate
            continue
        try:
            found = sorted(start.glob(rest))
        except (ValueError, NotImplementedError, OSError, IndexError):
            continue
        yield from (p for p in found if p.is_file() and not p.name.startswith("."))


def _braces(pattern: str, limit: int = 64) -> list[str]:
    """Return ``a{b,c}`` as ``ab``, ``ac``; the innermost braces first."""
    out = [pattern]
    for _ in range(limit):
        index = next((i for i, p in enumerate(out) if re.search(r"\{[^{}]*\}", p)), None)
        if index is None or len(out) > limit:
            break
        match = re.search(r"\{([^{}]*)\}", out[index])
        assert match is not None
        head, tail = out[index][: match.start()], out[index][match.end() :]
        out[index : index + 1] = [head + choice + tail for choice in match[1].split(",")]
    return out
