"""From a recorded run to its figures and its verdict. Pure: the same on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
)
from lvslab.timeline.reading import STEADY_BEFORE, Reading, flaws_of, longest, readings_of
from lvslab.timeline.run import Run
from lvslab.timeline.verdict import Outcome, Verdict, judge

__all__ = [
    "STEADY_BEFORE",
    "FaultResult",
    "Outcome",
    "Reading",
    "Verdict",
    "analyse",
    "removal_times",
]


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
        return longest(self.readings)

    @property
    def outage_back(self) -> Outage | None:
        """The longest outage after the heal (the second outage)."""
        return longest(self.readings, back=True)

    @property
    def disturbance(self) -> Disturbance | None:
        """The disturbance after the fault that has most failures."""
        found = [d for r in self.readings for d in r.there]
        return max(found, key=lambda d: d.failed, default=None)

    @property
    def held(self) -> bool:
        """Whether every bound that there is was kept, and it could be told."""
        verdicts = (self.verdict, self.verdict_takeover, self.verdict_back)
        return all(v is None or v.outcome in ("within", "no-bound") for v in verdicts)

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


def analyse(
    run: Run, events: Iterable[Event], probed: Sequence[ProbeResult] | None = None
) -> FaultResult:
    """Return what a recorded run says.

    ``probed`` is what :func:`probe_results` makes of the events, where that is known already.
    Events need be in no order. Without a ``fault.injected`` event of the run's fault the
    verdict is inconclusive and times count from the recording's start.
    """
    ordered = tuple(sorted(events, key=lambda e: e.t))
    if probed is None:
        probed = probe_results(ordered)
    fault_t = _moment(ordered, "fault.injected", run)
    heal_t = _moment(ordered, "fault.healed", run)
    since = run.recorded_from if fault_t is None else fault_t
    readings = readings_of(run, probed, since, heal_t)
    there, back = longest(readings), longest(readings, back=True)
    flaws = [*run.flaws, *flaws_of(ordered, readings, since - STEADY_BEFORE)]
    flaws_back = [*run.flaws, *flaws_of(ordered, readings)]
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
        verdict=judge(run, ordered, readings, run.promise, since, heal_t, flaws, back=False),
        verdict_takeover=None
        if run.promise_takeover is None
        else judge(run, ordered, readings, run.promise_takeover, since, heal_t, flaws, back=False),
        verdict_back=None
        if heal_t is None
        else judge(run, ordered, readings, run.promise_back, heal_t, None, flaws_back, back=True),
    )


def removal_times(result: FaultResult) -> dict[str, float]:
    """Return, by director, how long after the fault it took the real server from its table."""
    times: dict[str, float] = {}
    for event in result.events:
        after = event.t >= result.fault_t and (result.heal_t is None or event.t <= result.heal_t)
        if after and removed(event, result.run.address):
            times.setdefault(event.node, event.t - result.fault_t)
    return times


def of_the_fault(events: Iterable[Event], kind: str, run: Run) -> Event | None:
    """Return the event of that kind (fault.injected, fault.healed) that is of the run's fault.

    By its id, since a fault may lie in other nodes than the one that it is aimed at; one without
    an id is its node's.
    """
    for event in events:
        fault_id = event.data.get("id")
        ours = event.node == run.node if fault_id is None else fault_id == run.fault_id
        if event.kind == kind and ours:
            return event
    return None


def _moment(events: Iterable[Event], kind: str, run: Run) -> float | None:
    event = of_the_fault(events, kind, run)
    return None if event is None else event.t
