"""What is wrong in a topology file, where, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from lvslab.errors import TopologyError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake. ``line`` and ``column`` count from 1, in characters."""

    line: int
    column: int
    message: str
    hint: str = ""
    file: str = "<text>"

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"


#: More than this helps nobody, and a hostile file could have thousands.
MAX_PROBLEMS = 100


class TopologyProblems(TopologyError):
    """Everything that is wrong in a file (the first MAX_PROBLEMS), in the file's order.

    In several, one file after the other.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = sorted(set(problems), key=lambda problem: (problem.file, problem))
        self.problems: list[Problem] = list(islice(found, MAX_PROBLEMS))
        more = " or more, of which these are the first" if len(found) >= MAX_PROBLEMS else ""
        lines = [str(problem) for problem in self.problems]
        lines.append(plural(len(self.problems), "problem") + more)
        super().__init__("\n".join(lines))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'priority'?``, or nothing when no known word is close."""
    if len(word) > 64:
        return ""
    candidates = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(word.casefold(), candidates, n=1, cutoff=0.6)
    return f"did you mean '{candidates[close[0]]}'?" if close else ""


def shown(value: object, limit: int = 40) -> str:
    """Return a value as it is quoted in a message: short, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    text = text if len(text) <= limit else text[: limit - 3] + "..."
    # repr() keeps control characters out of terminals and messages on one line.
    return repr(text) if isinstance(value, str) else text


def plural(count: int, word: str) -> str:
    """Return ``1 address``, ``2 addresses``."""
    suffix = "" if count == 1 else "es" if word.endswith("s") else "s"
    return f"{count} {word}{suffix}"
