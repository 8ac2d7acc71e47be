"""What a fault or a scenario showed, for whoever writes assertions about it.

Figures are floats, in seconds, that compare as one expects: nothing that was noticed is 0.0,
what had not ended when the recording did is infinite, and what a recording cannot tell raises
NotMeasuredError instead of making an assertion true.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lvslab.errors import NotFoundError, NotMeasuredError
from lvslab.report.terminal import Teller, closing
from lvslab.scenario.history import History
from lvslab.scenario.judge import judge
from lvslab.timeline.holders import Span
from lvslab.timeline.outage import Disturbance, Outage
from lvslab.timeline.reading import STEADY_BEFORE, flaws_of
from lvslab.timeline.result import FaultResult, removal_times
from lvslab.timeline.verdict import STALL, Outcome, takeover_after

if TYPE_CHECKING:
    from lvslab.scenario.expectations.model import Check
    from lvslab.scenario.judge import ScenarioResult, Verdict
    from lvslab.scenario.seen import SeenFault
    from lvslab.timeline.events import Event
    from lvslab.timeline.run import Promise


class Between(NamedTuple):
    """A bound: from ``low`` to ``high``, in seconds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Output:
    """What a command in a node wrote, and how it ended."""

    exit_code: int
    stdout: str
    stderr: str


class Measured:
    """One fault and what followed it, as ``lab.fail()`` returns it."""

    def __init__(self, history: History, seen: SeenFault, stalled: float = 0.0) -> None:
        """``stalled``: by how many seconds the probe's own schedule was late at worst."""
        #: The recording: every event, and what was run on what.
        self.history = history
        #: The house's own reading of it, with all that this class does not show.
        self.details: FaultResult = seen.result
        self._stalled = stalled
        self._directors = [d.name for d in history.scenario.topology.directors]

    @property
    def node(self) -> str:
        """The node that was broken."""
        return self.details.run.node

    @property
    def fault(self) -> str:
        """The fault."""
        return self.details.run.fault

    @property
    def seed(self) -> int:
        """What decided at which phase of the advert timer the fault fell."""
        return self.details.run.seed or 0

    # --- seconds ------------------------------------------------------------------------

    @property
    def outage(self) -> float:
        """The longest time without any answer, from the fault to its heal; 0.0: none.

        Infinite where no answer came any more. Raises NotMeasuredError.
        """
        self._must_be_whole(back=False)
        return _seconds(self.details.outage)

    @property
    def second_outage(self) -> float:
        """The longest time without any answer after the heal; 0.0: none.

        Raises NotMeasuredError, also where the way back was not watched.
        """
        self._must_be_healed("second_outage")
        self._must_be_whole(back=True)
        return _seconds(self.details.outage_back)

    @property
    def degraded(self) -> float:
        """How long, until the heal, at least some requests had no answer; never below the outage.

        As when one of two real servers is dead. Raises NotMeasuredError.
        """
        found = [d for r in self.details.readings for d in r.there]
        return max([self.outage, *(_seconds(d) for d in found)])

    @property
    def detect(self) -> float:
        """From the fault until it was acted upon; infinite where it was not.

        A director's: until another has the VIP. A real server's: until every director has taken
        it from its table. Raises NotMeasuredError.
        """
        self._must_be_whole(back=False)
        result = self.details
        if result.run.role == "director":
            after = takeover_after(result.events, result.run, result.fault_t, result.heal_t)
            return math.inf if after is None else after
        times = removal_times(result)
        return max(times.get(name, math.inf) for name in self._directors)

    @property
    def resolution(self) -> float:
        """How far :attr:`outage` may be from the truth, either way."""
        return self.details.verdict.resolution or 0.0

    # --- counts -------------------------------------------------------------------------

    @property
    def failed(self) -> int:
        """Requests that failed after the fault, the way back included. Raises NotMeasuredError."""
        self._must_be_whole(back=False)
        return sum(d.failed for r in self.details.readings for d in (*r.there, *r.back))

    @property
    def requests(self) -> int:
        """Requests in the whole recording."""
        return self.details.requests

    @property
    def served_by(self) -> dict[str, int]:
        """Good answers in the whole recording, by real server."""
        total: dict[str, int] = {}
        for reading in self.details.readings:
            for name, count in reading.shares.items():
                total[name] = total.get(name, 0) + count
        return total

    # --- who had the VIP ----------------------------------------------------------------

    @property
    def holders(self) -> dict[str, list[Span]]:
        """Who held each VIP, by the directors' kernels; times are seconds after the fault."""
        zero = self.details.fault_t
        return {
            vip: [Span(s.start - zero, s.end - zero, s.holders) for s in spans]
            for vip, spans in self.details.holders.items()
        }

    # --- promises -----------------------------------------------------------------------

    @property
    def bound(self) -> Between | None:
        """What the configuration promises of this fault; None: nothing."""
        return _between(self.details.run.promise)

    @property
    def bound_back(self) -> Between | None:
        """What it promises of the way back; None: nothing, or it was not watched."""
        return _between(self.details.run.promise_back)

    @property
    def verdict(self) -> Outcome:
        """Whether what was seen is what was promised: docs/measuring.md, "The verdict"."""
        return self.details.verdict.outcome

    @property
    def within(self) -> bool:
        """Whether every bound that there is was kept, that of the way back included."""
        return self.details.held

    @property
    def reasons(self) -> list[str]:
        """Why a verdict is not *within*, of each that there is."""
        result = self.details
        verdicts = (result.verdict, result.verdict_takeover, result.verdict_back)
        return list(dict.fromkeys(r for v in verdicts if v is not None for r in v.reasons))

    # --- the whole of it ----------------------------------------------------------------

    @property
    def flaws(self) -> list[str]:
        """Why the recording cannot be relied on for what followed the fault; empty if it can."""
        return self._flaws(back=False)

    @property
    def disturbed(self) -> bool:
        """Whether it is better done again: it has flaws, or the machine stood still meanwhile."""
        verdict = self.details.verdict
        # One that measured nothing was watched too short: it would be again.
        unclear = verdict.outcome == "inconclusive" and verdict.measured is not None
        return bool(self.flaws) or unclear or self._stalled > STALL

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that was recorded, by time (docs/agent.md, "Events")."""
        return self.details.events

    def text(self) -> str:
        """Return what happened when and all figures, as ``lvslab fail`` prints them."""
        teller = Teller()
        lines = [line for event in self.events for line in teller.tell(event)]
        return "\n".join([*lines, *teller.rest(), "", *closing(self.details)])

    def save(self, path: str | Path) -> Path:
        """Write the history, for ``lvslab report`` and Scenario.history(). Raises OSError."""
        return _save(self.history, path)

    def __repr__(self) -> str:
        result = self.details
        told = [f"outage {_told(result.outage)}"]
        if result.heal_t is not None:
            told.append(f"second outage {_told(result.outage_back)}")
        if self.bound is not None:
            quantity = result.run.promise.quantity if result.run.promise else ""
            told.append(f"{quantity} promised {self.bound.low:.3f} to {self.bound.high:.3f} s")
        told.append(self.verdict)
        return f"<{self.fault} in {self.node}: {', '.join(told)}>"

    def _must_be_healed(self, what: str) -> None:
        if self.details.heal_t is None:
            raise NotMeasuredError(
                f"{self.fault} in {self.node} was not healed while it was watched: "
                f"there is no {what}",
                fix="give the time to its heal, lab.fail(..., hold=15), or heal=True",
            )

    def _must_be_whole(self, *, back: bool) -> None:
        __tracebackhide__ = True  # in a test's report, the test's own line is what matters
        flaws = self._flaws(back=back)
        if flaws:
            raise NotMeasuredError(
                f"the recording of {self.fault} in {self.node} cannot tell: {'; '.join(flaws)}",
                fix="do it again, on a machine that is less busy",
            )

    def _flaws(self, *, back: bool) -> list[str]:
        result = self.details
        steady_from = None if back else result.fault_t - STEADY_BEFORE
        return [*result.run.flaws, *flaws_of(result.events, result.readings, steady_from)]


class Played:
    """One run of a scenario, judged, as ``lab.play()`` and ``Scenario.history()`` return it."""

    def __init__(self, result: ScenarioResult) -> None:
        #: The house's own result.
        self.details = result

    @classmethod
    def of(cls, history: History) -> Played:
        """Judge a history."""
        return cls(judge(history))

    @property
    def history(self) -> History:
        """The recording: every event, and what was run on what."""
        return self.details.history

    @property
    def name(self) -> str:
        """The scenario's."""
        return self.history.scenario.name

    @property
    def seed(self) -> int:
        """What decided phases and choices."""
        return self.history.seed

    @property
    def verdict(self) -> Verdict:
        """``pass``, ``fail``, ``inconclusive`` (the recording cannot tell) or ``aborted``."""
        return self.details.verdict

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return self.verdict == "pass"

    @property
    def why(self) -> str:
        """Why there is no verdict on the expectations; empty where there is one."""
        return self.details.why

    @property
    def checks(self) -> tuple[Check, ...]:
        """Each expectation, judged: ``text``, ``outcome``, ``seen``, ``wanted``, ``why``."""
        return self.details.checks

    @property
    def faults(self) -> dict[str, Measured]:
        """Each fault that was injected, by its name in the scenario, in their order."""
        seen = self.details.seen
        return {f.of.step: Measured(self.history, f, seen.stalled()) for f in seen.faults}

    def fault(self, name: str | None = None) -> Measured:
        """Return one fault, by its name in the scenario, or the first. Raises NotFoundError."""
        for step, measured in self.faults.items():
            if name in (None, step):
                return measured
        there = ", ".join(self.faults) or "none was injected"
        raise NotFoundError(f"no fault {name or ''} in {self.name}", fix=f"there are: {there}")

    def text(self) -> str:
        """Return the verdict on each expectation, and what each fault showed."""
        lines = [f"{self.name}: {self.verdict} {self.why}".rstrip(), *map(_line, self.checks)]
        for step, measured in self.faults.items():
            lines += ["", f"== {step}", measured.text()]
        return "\n".join(lines)

    def save(self, path: str | Path) -> Path:
        """Write the history, for ``lvslab report`` and Scenario.history(). Raises OSError."""
        return _save(self.history, path)

    def __repr__(self) -> str:
        bad = [c.text for c in self.checks if c.outcome != "pass"]
        told = [self.verdict, *([self.why] if self.why else []), *bad]
        return f"<{self.name}: {'; '.join(told)}>"


#: What ``lab.fail()`` or ``lab.play()`` returned.
Result = Measured | Played


def _line(check: Check) -> str:
    why = f"; {check.why}" if check.why else ""
    wanted = f" (wanted: {check.wanted}{why})" if check.wanted or why else ""
    return f"  {check.outcome:<12} {check.text:<32} {check.seen}{wanted}"


def _save(history: History, path: str | Path) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    history.write(file)
    return file


def _between(promise: Promise | None) -> Between | None:
    return None if promise is None else Between(promise.lower, promise.upper)


def _seconds(found: Outage | Disturbance | None) -> float:
    if found is None:
        return 0.0
    return math.inf if found.seconds is None else found.seconds


def _told(found: Outage | None) -> str:
    if found is None:
        return "0 s"
    if found.seconds is None:
        return "without an end"
    return f"{found.seconds:.3f} s ± {found.resolution:.3f}"
