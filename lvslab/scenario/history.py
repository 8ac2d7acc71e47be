"""A run of a scenario as it is written down: all that a verdict or a report is made from.

One file of JSON lines a run: a header that says what was run on what, then every event, as
the agents wrote it (docs/agent.md). docs/history.md documents it; it is kept stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lvslab.errors import NotFoundError
from lvslab.scenario.spec import ScenarioSpec
from lvslab.timeline.events import Event, TimelineError, read, write
from lvslab.timeline.run import Run

#: How the run ended: ``whole``, or why it has no verdict of its own.
Ending = Literal["whole", "unsteady", "aborted"]


@dataclass(frozen=True, slots=True)
class FaultRun:
    """One fault as it was carried out."""

    #: The name that the scenario has for it.
    step: str
    #: Which node, when, at which phase; without promises: those are computed when judged.
    run: Run
    #: VIPs by director, at the moment before it.
    held: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class History:
    """One run of a scenario. Times on the engine's clock, in seconds."""

    scenario: ScenarioSpec
    #: The recording itself: client, rate, targets, from when to when, what is wrong with it.
    recording: Run
    faults: tuple[FaultRun, ...]
    events: tuple[Event, ...]
    #: When the steady state was reached: the schedule's zero.
    zero: float
    seed: int
    #: Which repeat, from 0.
    index: int = 0
    ending: Ending = "whole"
    #: Why it did not end whole.
    why: str = ""
    #: What it was run with: versions of lvslab, keepalived, kernel, engine; when (wall clock).
    made: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it as JSON lines, whole or not at all. Raises OSError."""
        # Cut between two lines, a history would read as that of a shorter run.
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("w", encoding="utf-8") as out:
                write(out, _header(self), self.events)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class _Header:
    # What this lvslab does not know may mean that what it knows means something else.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    scenario: ScenarioSpec
    recording: Run
    faults: tuple[FaultRun, ...]
    zero: float
    seed: int
    index: int
    ending: Ending
    why: str
    made: dict[str, str]
    #: How many events follow: a file that was cut at a line's end has fewer.
    count: int | None = None


_ADAPTER = TypeAdapter(_Header)


def _header(history: History) -> dict[str, Any]:
    header = _Header(
        history.scenario,
        history.recording,
        history.faults,
        history.zero,
        history.seed,
        history.index,
        history.ending,
        history.why,
        dict(history.made),
        len(history.events),
    )
    data: dict[str, Any] = _ADAPTER.dump_python(header, mode="json")
    return data


def load(path: Path) -> History:
    """Read what :meth:`History.write` wrote. Raises NotFoundError, TimelineError."""
    try:
        with path.open(encoding="utf-8") as lines:
            return of_lines(lines, str(path))
    except FileNotFoundError:
        raise NotFoundError(
            "no such file", where=str(path), fix="give a history that 'lvslab test' wrote"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TimelineError(f"cannot be read: {error}", where=str(path)) from error


def of_lines(lines: Iterable[str], name: str = "history") -> History:
    """Read a history's lines. Raises TimelineError, which names the line."""
    data, events = read(lines, name)
    try:
        header = _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise TimelineError(
            f"its description does not fit: {place}: {first['msg']}",
            where=f"{name}:1",
            fix="read it with the lvslab that wrote it",
        ) from error
    if header.count not in (None, len(events)):
        raise TimelineError(
            f"cut short: {header.count} events were written, {len(events)} are here",
            where=f"{name}:{len(events) + 2}",
            fix="run the scenario again",
        )
    return History(
        scenario=header.scenario,
        recording=header.recording,
        faults=header.faults,
        events=tuple(events),
        zero=header.zero,
        seed=header.seed,
        index=header.index,
        ending=header.ending,
        why=header.why,
        made=header.made,
    )
