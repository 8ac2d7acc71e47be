"""``# lvslab: ignore LVS012 reason``: on the line it is about, or alone above it.

``# lvslab: ignore-file LVS012 reason`` is about the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lvslab.conf.config import Config
from lvslab.lint.model import Finding

_IGNORE = re.compile(
    r"(?P<before>.*?)[#!]\s*lvslab:\s*ignore(?P<file>-file)?\s+"
    r"(?P<ids>LVS\d{3}(?:[ ,]+LVS\d{3})*)\b\s*(?P<reason>.*)"
)


@dataclass(frozen=True, slots=True)
class Ignore:
    """One such comment."""

    file: str
    #: None: the whole file.
    line: int | None
    ids: frozenset[str]
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether a finding is meant."""
        at = finding.at
        same = at.file == self.file and finding.rule.id in self.ids
        return same and self.line in (None, at.line)


def ignores_of(config: Config) -> Iterator[Ignore]:
    """Yield every such comment of a configuration's files."""
    for document in config.files.values():
        if "lvslab:" not in document.text:
            continue
        for number, line in enumerate(document.lines, 1):
            match = _IGNORE.match(line)
            if match is None:
                continue
            ids = frozenset(re.findall(r"LVS\d{3}", match["ids"]))
            about: int | None = number
            if match["file"]:
                about = None
            elif not match["before"].strip():
                about = _next(document.lines, number)
            yield Ignore(document.name, about, ids, match["reason"].strip())


def _next(lines: tuple[str, ...], number: int) -> int:
    """Return the number of the next line that is no comment and not blank."""
    for i in range(number, len(lines)):
        text = lines[i].strip()
        if text and text[0] not in "#!":
            return i + 1
    return number
