"""From a recorded run to its figures and its verdict. Pure: the same on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lvslab.timeline.decomposition import (
    Decomposition,
    of_failover,
    of_removal,
    of_return,
    removed,
)
from lvslab.timeline.events import Event, ProbeResult, probe_results
from lvslab.timeline.holders import Span, holders
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
from lvslab.timeline.run import Promise, Run

Outcome = Literal["within", "outside", "inconclusive", "no-bound"]

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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether what was measured is what was promised, and why one says so."""

    outcome: Outcome
    measured: float | None
    resolution: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FaultResult:
    """All that a run says. Times on the engine's clock, lengths in seconds."""

    run: Run
    events: tuple[Event, ...]
    fault_t: float
    heal_t: float | None
    readings: tuple[Reading, ...]
    holders: Mapping[str, Sequence[Span]]
    decomposition: Decomposition | None
    decomposition_back: Decomposition | None
    verdict: Verdict
    #: Of the VIP's move to another director; None where none is promised.
    verdict_takeover: Verdict | None
    #: Of the way back; None when it was not watched.
    verdict_back: Verdict | None

    @property
    def outage(self) -> Outage | None:
        """The longest outage after the fault, of any target; None: answered all along."""
        return _longest(self.readings)

    @property
    def outage_back(self) -> Outage | None:
        """The longest outage after the heal (the second outage)."""
        return _longest(self.readings, back=True)

    @property
    def disturbance(self) -> Disturbance | None:
        """The disturbance after the fault that has most failures."""
        found = [d for r in self.readings for d in r.there]
        return max(found, key=lambda d: d.failed, default=None)

    @property
    def holds_now(self) -> dict[str, tuple[str, ...]]:
        """Who held each VIP when the recording ended."""
        return {vip: spans[-1].holders for vip, spans in self.holders.items()}

    @property
    def failed(self) -> dict[str, int]:
        """Requests that failed in the whole run, by kind."""
        total: dict[str, int] = {}
        for reading in self.readings:
            for kind, count in reading.by_result.items():
                if kind != "ok":
                    total[kind] = total.get(kind, 0) + count
        return total

    @property
    def requests(self) -> int:
        """Requests in the whole run."""
        return sum(r.requests for r in self.readings)


def analyse(run: Run, events: Iterable[Event]) -> FaultResult:
    """Return what a recorded run says.

    Events need be in no order. Without a ``fault.injected`` event of the run's fault the
    verdict is inconclusive and times count from the recording's start.
    """
    ordered = tuple(sorted(events, key=lambda e: e.t))
    fault_t = _moment(ordered, "fault.injected", run)
    heal_t = _moment(ordered, "fault.healed", run)
    since = run.recorded_from if fault_t is None else fault_t
    readings = _readings(run, probe_results(ordered), since, heal_t)
    there, back = _longest(readings), _longest(readings, back=True)
    flaws = [*run.flaws, *_flaws(ordered, readings, since - STEADY_BEFORE)]
    flaws_back = [*run.flaws, *_flaws(ordered, readings)]
    if fault_t is None:
        flaws.append("the fault was not seen being injected")
        flaws_back.append(flaws[-1])
    decomposition = None
    if run.role == "real-server":
        ends = [d.end for r in readings for d in r.there]
        if ends and None not in ends:
            decomposition = of_removal(
                ordered, since, run.address, max(e for e in ends if e is not None)
            )
    elif there is not None:
        decomposition = of_failover(
            ordered, since, run.node, there, client=run.client, macs=run.macs
        )
    split_back = None
    if back is not None and heal_t is not None and run.role == "director":
        split_back = of_return(ordered, heal_t, run.node, back, client=run.client, macs=run.macs)
    return FaultResult(
        run=run,
        events=ordered,
        fault_t=since,
        heal_t=heal_t,
        readings=readings,
        holders=holders(ordered, run.vips, run.recorded_from, run.recorded_until),
        decomposition=decomposition,
        decomposition_back=split_back,
        verdict=_judge(run, ordered, readings, run.promise, since, heal_t, flaws, back=False),
        verdict_takeover=None
        if run.promise_takeover is None
        else _judge(run, ordered, readings, run.promise_takeover, since, heal_t, flaws, back=False),
        verdict_back=None
        if heal_t is None
        else _judge(run, ordered, readings, run.promise_back, heal_t, None, flaws_back, back=True),
    )


def _readings(
    run: Run, results: Sequence[ProbeResult], fault_t: float, heal_t: float | None
) -> tuple[Reading, ...]:
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


def _flaws(
    events: Iterable[Event], readings: Iterable[Reading], steady_from: float | None = None
) -> list[str]:
    """Return why the recording cannot be relied on for what followed the fault, or the heal.

    What failed before ``steady_from`` was over when the fault came, and says nothing of it.
    None: of the way back, for which what was before the fault does not matter.
    """
    flaws = []
    for reading in readings:
        if not reading.requests:
            flaws.append(f"the probe reported nothing about {reading.target}")
        _, missing = reading.starved_back if steady_from is None else reading.starved
        if missing:
            flaws.append(f"{missing} results of {reading.target} are missing")
        if steady_from is not None and any(
            d.outages[-1].last_failed >= steady_from for d in reading.before
        ):
            flaws.append(f"requests to {reading.target} failed before the fault already")
    for event in events:
        if event.kind == "dropped":
            flaws.append(f"{event.node} could not deliver {event.data.get('count', 'some')} events")
    return flaws


def _judge(
    run: Run,
    events: Sequence[Event],
    readings: Sequence[Reading],
    promise: Promise | None,
    since: float,
    until: float | None,
    flaws: Sequence[str],
    *,
    back: bool,
) -> Verdict:
    found = [d for r in readings for d in (r.back if back else r.there)]
    quantity = promise.quantity if promise else "removal" if run.role == "real-server" else "outage"
    if quantity == "takeover":
        measured, resolution = _takeover(events, run, since, until), 0.0
    elif quantity == "removal":
        measured, resolution = _removal(run, readings, found, since)
    else:
        measured, resolution = _outage(readings, back=back)
    if promise is None:
        return Verdict("no-bound", measured, resolution, tuple(flaws))
    if flaws:
        return Verdict("inconclusive", measured, resolution, tuple(flaws))
    if measured is None:
        lasted = (run.recorded_until if until is None else until) - since
        if lasted > promise.upper + resolution + run.allowance:
            reason = f"no {_NOUN[quantity]} within {lasted:.3f} s"
            return Verdict("outside", None, resolution, (reason,))
        reason = f"watched for {lasted:.3f} s only, the bound is {promise.upper:.3f} s"
        return Verdict("inconclusive", None, resolution, (reason,))
    # A resolution coarser than half of what is allowed cannot tell in from out; two intervals
    # are what a healthy probe always has.
    interval = max((r.interval for r in readings), default=0.0)
    servers = max(run.targets.values(), default=1) if quantity == "removal" else 1
    coarse = max(2 * servers * interval, (promise.upper - promise.lower) / 2, run.allowance / 2)
    if resolution > coarse:
        reason = (
            f"the probe's own schedule was late: the reading is good to "
            f"{resolution:.3f} s only, which cannot tell"
        )
        return Verdict("inconclusive", measured, resolution, (reason,))
    slack = resolution + run.allowance
    if measured + slack < promise.lower:
        # It breaks no promise to the client, but it is not what was to be seen.
        reason = f"{promise.lower - measured:.3f} s shorter than promised: something else happened"
    elif measured - slack > promise.upper:
        reason = f"{measured - promise.upper:.3f} s longer than promised"
    else:
        return Verdict("within", measured, resolution, ())
    return Verdict("outside", measured, resolution, (reason,))


_NOUN = {"outage": "recovery", "takeover": "takeover", "removal": "removal from the tables"}


def _outage(readings: Sequence[Reading], *, back: bool) -> tuple[float | None, float]:
    longest = _longest(readings, back=back)
    if longest is not None:
        return longest.seconds, longest.resolution
    # Nothing failed: shorter than what the probe's widest gap could have hidden.
    lateness = [r.interval + (r.starved_back if back else r.starved)[0] for r in readings]
    return 0.0, max(lateness, default=0.0)


def _removal(
    run: Run, readings: Sequence[Reading], found: Sequence[Disturbance], since: float
) -> tuple[float | None, float]:
    """Return how long requests still went to the dead real server.

    The last one that failed was sent there before the removal, and the next that would have
    been comes up to one round of the real servers later.
    """
    interval = max((r.interval for r in readings), default=0.0)
    resolution = interval * max(run.targets.values(), default=1)
    if not found:
        return 0.0, resolution + max((r.starved[0] for r in readings), default=0.0)
    last = max((d.outages[-1] for d in found), key=lambda o: o.last_failed)
    resolution += last.lateness
    if any(d.end is None for d in found):
        return None, resolution
    return max(0.0, last.last_failed - since), resolution


def _takeover(events: Sequence[Event], run: Run, since: float, until: float | None) -> float | None:
    """Return when another director had the VIP, by its kernel or its own word, after ``since``."""
    for event in events:
        if event.node == run.node or event.t < since or (until is not None and event.t > until):
            continue
        became = event.kind == "vrrp.state" and event.data["state"] == "MASTER"
        has = event.kind == "addr.add" and event.data["vip"] and event.data["interface"] != "lo"
        if became or has:
            return event.t - since
    return None


def removal_times(result: FaultResult) -> dict[str, float]:
    """Return, by director, how long after the fault it took the real server from its table."""
    times: dict[str, float] = {}
    for event in result.events:
        after = event.t >= result.fault_t and (result.heal_t is None or event.t <= result.heal_t)
        if after and removed(event, result.run.address):
            times.setdefault(event.node, event.t - result.fault_t)
    return times


def _longest(readings: Iterable[Reading], *, back: bool = False) -> Outage | None:
    found: list[Outage] = []
    for reading in readings:
        found += [d.longest for d in (reading.back if back else reading.there)]
        quiet = reading.silence_back if back else reading.silence
        found += [quiet] if quiet is not None else []
    return max(found, key=lambda o: (o.seconds is None, o.seconds or 0.0), default=None)


def _moment(events: Iterable[Event], kind: str, run: Run) -> float | None:
    for event in events:
        ours = event.node == run.node and event.data.get("id") in (None, run.fault_id)
        if event.kind == kind and ours:
            return event.t
    return None
