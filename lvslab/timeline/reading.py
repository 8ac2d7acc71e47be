"""What the probe saw of each target, around a fault and its heal. Pure; seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lvslab.timeline.events import Event, ProbeResult
from lvslab.timeline.outage import (
    Disturbance,
    Outage,
    by_result,
    disturbances,
    interval_of,
    shares,
    silence,
    starvation,
)
from lvslab.timeline.run import Run

#: Seconds without a failed request before a fault that let what follows be put down to it.
STEADY_BEFORE = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the probe saw of one target. Seconds."""

    target: str
    interval: float
    #: Begun before the fault (there should be none), after it, and after the heal.
    before: tuple[Disturbance, ...]
    there: tuple[Disturbance, ...]
    back: tuple[Disturbance, ...]
    #: Longest silence after the fault, and after the heal (lvslab.timeline.outage).
    silence: Outage | None
    silence_back: Outage | None
    by_result: Mapping[str, int]
    #: Good answers by real server (name).
    shares: Mapping[str, int]
    #: The probe's own schedule: how late at worst, and how many results are missing.
    max_late: float
    missing: int
    #: The same of the parts that a verdict rests on: from STEADY_BEFORE the fault to the heal,
    #: and from the heal on.
    starved: tuple[float, int]
    starved_back: tuple[float, int]

    @property
    def requests(self) -> int:
        """All results there are."""
        return sum(self.by_result.values())


def readings_of(
    run: Run, results: Sequence[ProbeResult], fault_t: float, heal_t: float | None
) -> tuple[Reading, ...]:
    """Return what was seen of each target, before the fault, after it, and after the heal."""
    readings = []
    for target, servers in run.targets.items():
        mine = [r for r in results if r.target == target]
        interval = interval_of(mine, len(run.targets) / run.rate)
        before: list[Disturbance] = []
        there: list[Disturbance] = []
        back: list[Disturbance] = []
        for found in disturbances(mine, interval, servers):
            # A request that was under way when it happened started a moment before.
            first = found.outages[0].first_failed + interval
            if first < fault_t:
                before.append(found)
            if heal_t is not None and first >= heal_t:
                back.append(found)
            elif found.outages[-1].last_failed + interval >= fault_t:
                there.append(found)
        max_late, missing = starvation(mine, interval)
        by_name = {run.servers.get(a, a): n for a, n in sorted(shares(mine).items())}
        readings.append(
            Reading(
                target,
                interval,
                tuple(before),
                tuple(there),
                tuple(back),
                silence(mine, interval, fault_t, heal_t),
                None if heal_t is None else silence(mine, interval, heal_t, None),
                by_result(mine),
                by_name,
                max_late,
                missing,
                starvation(_span(mine, fault_t - STEADY_BEFORE, heal_t), interval),
                (0.0, 0) if heal_t is None else starvation(_span(mine, heal_t, None), interval),
            )
        )
    return tuple(readings)


def _span(
    results: Sequence[ProbeResult], since: float, until: float | None
) -> Sequence[ProbeResult]:
    """Return what was due between two moments, with its neighbours: a gap has two edges."""
    first = next((i for i, r in enumerate(results) if r.due >= since), len(results))
    last = len(results)
    if until is not None:
        last = next((i for i, r in enumerate(results) if r.due > until), last)
    return results[max(0, first - 1) : last + 1]


def flaws_of(
    events: Iterable[Event],
    readings: Iterable[Reading],
    steady_from: float | None = None,
    *,
    back: bool | None = None,
) -> list[str]:
    """Return why the recording cannot be relied on for what followed the fault, or the heal.

    What failed before ``steady_from`` was over when the fault came, and says nothing of it.
    None: what was before the fault does not matter. ``back``: of the way back; by default,
    where ``steady_from`` is None.
    """
    back = steady_from is None if back is None else back
    flaws = []
    for reading in readings:
        if not reading.requests:
            flaws.append(f"the probe reported nothing about {reading.target}")
        _, missing = reading.starved_back if back else reading.starved
        if missing:
            flaws.append(f"{missing} results of {reading.target} are missing")
        if steady_from is not None and any(
            d.outages[-1].last_failed >= steady_from for d in reading.before
        ):
            flaws.append(f"requests to {reading.target} failed before the fault already")
    return flaws + undelivered(events)


def undelivered(events: Iterable[Event]) -> list[str]:
    """Return what agents could not deliver of what they saw, in words."""
    return [
        f"{e.node} could not deliver {e.data.get('count', 'some')} events"
        for e in events
        if e.kind == "dropped"
    ]


def longest(readings: Iterable[Reading], *, back: bool = False) -> Outage | None:
    """Return the longest outage, or silence, of any target after the fault (or the heal)."""
    found: list[Outage] = []
    for reading in readings:
        found += [d.longest for d in (reading.back if back else reading.there)]
        quiet = reading.silence_back if back else reading.silence
        found += [quiet] if quiet is not None else []
    return max(found, key=lambda o: (o.seconds is None, o.seconds or 0.0), default=None)
