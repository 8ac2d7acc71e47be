"""What a run of a scenario showed, ready to be held to what was expected. Pure; seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lvslab.observe import expect
from lvslab.scenario.history import FaultRun, History
from lvslab.scenario.language import Sentence
from lvslab.timeline.events import Event, ProbeResult, probe_results
from lvslab.timeline.holders import Span, holders
from lvslab.timeline.outage import interval_of, starvation
from lvslab.timeline.reading import STEADY_BEFORE, undelivered
from lvslab.timeline.result import FaultResult, analyse, of_the_fault
from lvslab.timeline.run import Run
from lvslab.timeline.splitbrain import SplitBrain, split_brains
from lvslab.topology.spec import TopologySpec


@dataclass(frozen=True, slots=True)
class SeenFault:
    """One fault, what followed it, and who held what before it."""

    of: FaultRun
    result: FaultResult

    @property
    def run(self) -> Run:
        """Its description, with what is promised of it."""
        return self.result.run


@dataclass(frozen=True, slots=True)
class Seen:
    """A run, analysed."""

    history: History
    faults: tuple[SeenFault, ...]
    #: Sorted by time.
    events: tuple[Event, ...]
    #: All results of the probe, by schedule.
    requests: tuple[ProbeResult, ...]

    @property
    def spec(self) -> TopologySpec:
        """The topology that it was run on."""
        return self.history.scenario.topology

    @property
    def recording(self) -> Run:
        """What was recorded, whatever the fault."""
        return self.history.recording

    @property
    def begin(self) -> float:
        """The first fault's moment, or the schedule's zero where there is none."""
        return min((f.result.fault_t for f in self.faults), default=self.history.zero)

    @property
    def first_heal(self) -> float | None:
        """When the first fault was healed; None where none was."""
        return min(
            (f.result.heal_t for f in self.faults if f.result.heal_t is not None), default=None
        )

    def fault(self, name: str | None) -> SeenFault | None:
        """Return a fault by its step's name, or the first; None where none was seen.

        Of a step that means several nodes: that of the first, unless the name ends with another's.
        """
        for fault in self.faults:
            if name in (None, fault.of.step) or fault.of.step == f"{name}-{fault.run.node}":
                return fault
        return None

    def window(self, sentence: Sentence) -> tuple[float, float]:
        """Return from when to when a sentence means, on the engine's clock."""
        since = self.begin + (sentence.since or 0.0)
        end = self.recording.recorded_until
        return since, end if sentence.until is None else min(end, self.begin + sentence.until)

    def requests_in(self, since: float, until: float) -> list[ProbeResult]:
        """Return the requests that were due in a span of time."""
        return [r for r in self.requests if since <= r.due < until]

    def missing(self, requests: Sequence[ProbeResult]) -> int:
        """Return how many requests between the first and the last of these left no result."""
        found = 0
        for target in self.recording.targets:
            mine = [r for r in requests if r.target == target]
            interval = interval_of(mine, len(self.recording.targets) / self.recording.rate)
            found += starvation(mine, interval)[1]
        return found

    def stalled(self) -> float:
        """Return by how much the probe's own schedule was late at worst, since the fault."""
        since = self.begin - STEADY_BEFORE
        return max((r.start - r.due for r in self.requests if r.due >= since), default=0.0)

    def holders(self) -> dict[str, list[Span]]:
        """Return who held each VIP, over the whole recording."""
        vips = [str(v) for v in self.spec.vips]
        run = self.recording
        return holders(self.events, vips, run.recorded_from, run.recorded_until)

    def splits(self) -> list[SplitBrain]:
        """Return when two directors held a VIP at once, and why."""
        intervals = {str(v.ip): i.advert_int for i in self.spec.vrrp_instances for v in i.vips}
        addresses = {d.name: str(d.address) for d in self.spec.directors}
        return split_brains(self.events, self.holders(), addresses, intervals)

    def flaws(self) -> list[str]:
        """Return why the recording as a whole is not to be relied on."""
        return [*self.recording.flaws, *undelivered(self.events)]


def see(history: History) -> Seen:
    """Analyse a run: the same on any machine, whenever it was recorded."""
    ordered = tuple(sorted(history.events, key=lambda e: e.t))
    spec = history.scenario.topology
    # Of a fault that was not seen being injected nothing can be counted.
    seen = [f for f in history.faults if of_the_fault(ordered, "fault.injected", f.run) is not None]
    probed = tuple(probe_results(ordered))
    faults = tuple(SeenFault(f, _result(spec, f, history, ordered, probed)) for f in seen)
    return Seen(history, faults, ordered, probed)


def _result(
    spec: TopologySpec,
    fault: FaultRun,
    history: History,
    events: Sequence[Event],
    probed: Sequence[ProbeResult],
) -> FaultResult:
    recording = history.recording
    run = replace(
        fault.run,
        recorded_from=recording.recorded_from,
        recorded_until=recording.recorded_until,
        flaws=recording.flaws,
    )
    injected = of_the_fault(events, "fault.injected", run)
    healed = of_the_fault(events, "fault.healed", run)
    injecting = 0.0 if injected is None else injected.lasted
    run = expect.with_promises(spec, run, fault.held, injecting)
    if injected is not None and healed is not None:
        run = expect.with_promise_back(spec, run, healed.t - injected.t)
    return analyse(run, events, probed)
