"""The parts of one watched fault: injection, conditions, heal, on the engine's time."""

from __future__ import annotations

import random
import secrets
from dataclasses import replace
from types import TracebackType
from typing import Any

from lvslab.errors import FaultError, LabError
from lvslab.faults.model import Fault, Target
from lvslab.faults.registry import choose
from lvslab.observe import expect
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.healing import HEAL_TIMEOUT, journal
from lvslab.observe.recorder import (
    CLIENT_BACK,
    CLIENT_LOST,
    HEALING,
    OnEvent,
    Recorder,
)
from lvslab.timeline.decomposition import removed
from lvslab.timeline.events import Event
from lvslab.timeline.result import FaultResult, analyse
from lvslab.timeline.run import Run

__all__ = ["CLIENT_BACK", "CLIENT_LOST", "HEALING", "FaultSession", "OnEvent"]


class FaultSession:
    """A recording around one fault. A context manager: it ends the probe.

    Raises FaultError when the fault makes no sense on the node or one is in it already.
    """

    def __init__(
        self,
        lab: Lab,
        node: str,
        fault: str | None = None,
        *,
        rate: float = 50.0,
        deadline: float = 1.0,
        on_event: OnEvent | None = None,
        seed: int | None = None,
        collector: Collector | None = None,
    ) -> None:
        self.fault: Fault
        self.target: Target
        self.fault, self.target = choose(lab.spec, node, fault)
        self._lab = lab
        self._seed = secrets.randbits(32) if seed is None else seed
        self.injected: float | None = None
        self.healed: float | None = None
        #: The VIPs that the node held before.
        self._mine: set[str] = set()
        #: VIPs that were taken and real servers removed. Looked at afterwards, because the
        #: agent tells of a fault when its operations are done, and others are quicker.
        self._landmarks: list[Event] = []
        self.run: Run = expect.describe(
            lab.spec,
            self.target,
            self.fault.name,
            fault_id=secrets.token_hex(6),
            rate=rate,
            deadline=deadline,
            seed=self._seed,
        )
        self._recorder = Recorder(
            lab, rate=rate, deadline=deadline, on_event=on_event, collector=collector
        )
        self._recorder.listen(self._note)

    # --- the parts of a run, in order -------------------------------------------------

    def __enter__(self) -> FaultSession:
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        left = journal(self._lab, self.target.name)
        if left:
            raise FaultError(
                f"{left[0]['fault']} is in {self.target.name} already",
                fix=f"lvslab heal {self.target.name}",
            )
        recorder = self._recorder.__enter__()
        self.run = replace(self.run, recorded_from=recorder.recorded_from)
        self._mine = set(recorder.initially.get(self.target.name, ()))
        self.run = expect.with_promises(self._lab.spec, self.run, recorder.initially)

    def wait_steady(self) -> None:
        """Wait until each real server that should answers, and nothing fails.

        Raises NotReadyError that says what is missing.
        """
        self._recorder.wait_steady()

    def steady(self) -> bool:
        """Whether nothing fails at the moment, and each real server that should answers."""
        return self._recorder.steady()

    def wait_phase(self) -> None:
        """Wait a random part of the interval that decides how long detection takes.

        A director: of the advert interval, from an advert of the node that holds the VIP. A
        real server: of the checks' delay_loop. A fixed time of settling would inject at one
        phase, and every repeat would read alike.
        """
        phase = random.Random(self._seed).random()
        wait_phase(self._recorder, self._lab, self.target, phase)
        self.run = replace(self.run, phase=phase)

    def inject(self) -> float:
        """Inject the fault; return its moment on the engine's clock. Raises AgentError."""
        recorder, name = self._recorder, self.target.name
        if self.fault.engine_heal:
            recorder.expect_end(name)

        def order() -> dict[str, Any]:
            return recorder.request(
                name,
                "inject",
                fault=self.fault.name,
                fault_id=self.run.fault_id,
                ops=self.fault.inject_ops(self.target),
                heal=self.fault.heal_ops(self.target),
                timeout=HEAL_TIMEOUT,
            )

        try:
            t = float(recorder.carry_out(order)["t"])
        except LabError:
            # A node whose power was cut need not live to answer; its event tells.
            if not self.fault.engine_heal:
                raise
            recorder.pump(lambda: self.injected is not None, recorder.now + 5.0)
            if self.injected is None:
                raise
            t = self.injected
        self.injected = t
        return t

    def watch(self, seconds: float | None = None) -> None:
        """Watch until the outcome is settled, or exactly ``seconds`` after the fault."""
        if self.injected is None:
            raise RuntimeError("nothing was injected")
        limit = expect.limits(self.run)
        if seconds is not None:
            self._recorder.pump(lambda: False, self.injected + seconds)
        else:
            self._recorder.pump(self._settled, self.injected + limit.give_up)

    def heal(self) -> None:
        """Heal the fault. Raises AgentError."""
        recorder, name = self._recorder, self.target.name
        now = recorder.clock()
        if self.fault.engine_heal:
            # The agent of the new life may tell of the heal before anyone listens: the moment
            # at which the power came back is that of the order.
            recorder.carry_out(lambda: self._lab.start_node(name))
            told = {"fault": self.fault.name, "id": self.run.fault_id, "by": "lvslab"}
            recorder.take(Event(now, name, "fault.healed", told))
            recorder.returned(name)
        else:
            recorder.tell(Event(now, name, HEALING, {"fault": self.fault.name}))
        recorder.carry_out(lambda: recorder.request(name, "heal", timeout=HEAL_TIMEOUT))
        if self.healed is None:
            recorder.pump(lambda: self.healed is not None, recorder.now + 5.0)
        if self.healed is None:
            recorder.flaws.append("the heal was not seen")
            self.healed = recorder.now
        if self.injected is not None:
            down_for = self.healed - self.injected
            self.run = expect.with_promise_back(self._lab.spec, self.run, down_for)

    def watch_back(self) -> None:
        """Watch until the lab is as it was: VIPs where they belong, tables full, all steady."""
        limit = expect.limits_back(self._lab.spec, self.run)
        since = self.healed or self._recorder.now
        self._recorder.pump(self._settled_back, since + limit.give_up)

    def finish(self) -> FaultResult:
        """Stop the probe, take its last results, and return what all of it says."""
        recorder = self._recorder
        recorder.stop_probe()
        self.run = replace(self.run, recorded_until=recorder.now, flaws=tuple(recorder.flaws))
        return analyse(self.run, recorder.events)

    def close(self) -> None:
        """End the probe and all subscriptions. Safe to call twice; the fault stays."""
        self._recorder.close()

    # --- conditions -------------------------------------------------------------------

    def _settled(self) -> bool:
        if self.injected is None:
            return False
        recorder, limit = self._recorder, expect.limits(self.run)
        if self.target.role == "real-server":
            marks = [
                e for e in self._landmarks if e.t >= self.injected and removed(e, self.run.address)
            ]
            changed = {e.node for e in marks} >= {d.name for d in self._lab.spec.directors}
        else:
            # What it held is held by another: only then can a request be lost no more.
            marks = self._taken(self.injected)
            changed = bool(self._mine) and _vips(marks) >= self._mine
        if not changed and recorder.now < self.injected + limit.expected:
            return False
        # Steady counts from the last change on: before it another still served.
        since = max([self.injected, *(e.t for e in marks)])
        wanted = expect.expected_servers(self._lab.spec, without=self.target.name)
        return recorder.tracker.steady(limit.steady, since=since, servers=wanted)

    def _settled_back(self) -> bool:
        if self.healed is None or self.injected is None:
            return False
        spec, recorder = self._lab.spec, self._recorder
        limit = expect.limits_back(spec, self.run)
        moved = self._taken(self.injected)
        returns = bool(moved) and expect.taken_back(spec, self.target.name)
        alone = recorder.held.alone(self.target.name, self._mine)
        if recorder.tables.out or (returns and not alone):
            return False
        since = max(self.healed, recorder.held.changed)
        wanted = expect.expected_servers(spec)
        return recorder.tracker.steady(limit.steady, since=since, servers=wanted)

    def _taken(self, since: float) -> list[Event]:
        """Return when others took a VIP."""
        return [
            e
            for e in self._landmarks
            if e.kind == "addr.add" and e.t >= since and e.node != self.target.name
        ]

    def _note(self, event: Event) -> None:
        ours = event.data.get("id") == self.run.fault_id
        if event.kind == "fault.injected" and ours:
            self.injected = event.t
            if self.fault.engine_heal:
                self._recorder.lost(self.target.name)
        elif event.kind == "fault.healed" and ours and self.healed is None:
            self.healed = event.t
        elif event.kind == "addr.add" and event.data["vip"]:
            if event.data["interface"] != "lo":
                self._landmarks.append(event)
        elif removed(event, self.run.address):
            self._landmarks.append(event)


def wait_phase(recorder: Recorder, lab: Lab, target: Target, phase: float) -> float:
    """Wait the part ``phase`` (0 to 1) of the interval in which the fault goes unnoticed.

    Counted from an advert for a director, from now for a real server. Returns the moment that
    was waited for, on the engine's clock.
    """
    interval = expect.watched_interval(lab.spec, target)
    since = recorder.now
    if target.role == "director":
        since = recorder.wait_advert(interval)
    until = since + phase * interval
    recorder.wait_until(until)
    return until


def _vips(events: list[Event]) -> set[str]:
    return {str(e.data["address"]).partition("/")[0] for e in events}
