"""One fault in a recording: injected, watched until it has settled, healed. On engine time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lvslab.errors import FaultError, LabError
from lvslab.faults.model import Fault, Target
from lvslab.faults.registry import choose
from lvslab.observe import expect, injecting
from lvslab.observe.collector import Lab
from lvslab.observe.healing import journal
from lvslab.observe.recorder import HEALING, Recorder
from lvslab.timeline.decomposition import removed
from lvslab.timeline.events import Event
from lvslab.timeline.run import Run


class Injection:
    """A fault that is aimed at a node, and what becomes of it."""

    def __init__(
        self,
        recorder: Recorder,
        lab: Lab,
        node: str,
        fault: str | None = None,
        *,
        seed: int,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Raise FaultError when the fault makes no sense on the node."""
        self.fault: Fault
        self.target: Target
        self.fault, self.target = choose(lab.spec, node, fault, params)
        self._parts = self.fault.parts(self.target)
        #: The nodes that it is in.
        self.nodes = tuple(dict.fromkeys(p.node for p in self._parts))
        self._lab, self._recorder = lab, recorder
        #: Whether the agent was told to, whatever it answered.
        self.ordered = False
        self.injected: float | None = None
        self.healed: float | None = None
        #: VIPs by director, and those that the node held, before the fault.
        self.held: Mapping[str, Sequence[str]] = {}
        self._mine: set[str] = set()
        #: VIPs that were taken and real servers removed. Looked at afterwards, because the
        #: agent tells of a fault when its operations are done, and others are quicker.
        self._landmarks: list[Event] = []
        self.run: Run = expect.describe(
            lab.spec,
            self.target,
            self.fault.name,
            fault_id=secrets.token_hex(6),
            targets=recorder.targets,
            rate=recorder.rate,
            deadline=recorder.deadline,
            seed=seed,
        )
        recorder.listen(self._note)

    def refuse_twice(self) -> None:
        """Raise FaultError when a fault is in the node already."""
        name = self.target.name
        left = [
            entry
            for node in dict.fromkeys((name, *self.nodes))
            for entry in journal(self._lab, node)
            if node == name or entry.get("target") == name
        ]
        if left:
            raise FaultError(
                f"{left[0]['fault']} is in {self.target.name} already",
                fix=f"lvslab heal {self.target.name}",
            )

    def prepare(self) -> None:
        """Look at who holds what now, and at what is promised then."""
        self.held = self._recorder.held.by_node()
        self._mine = set(self.held.get(self.target.name, ()))
        self.run = replace(
            self.run, recorded_from=self._recorder.recorded_from, macs=dict(self._recorder.macs)
        )
        self.run = expect.with_promises(self._lab.spec, self.run, self.held)

    def wait_phase(self, phase: float) -> None:
        """Wait the part ``phase`` (0 to 1) of the interval that decides how long detection takes.

        A director: of the advert interval, from an advert of the node that holds the VIP. A
        real server: of the checks' delay_loop, from now. A fixed time of settling would inject
        at one phase, and every repeat would read alike.
        """
        recorder = self._recorder
        interval = expect.watched_interval(self._lab.spec, self.target)
        since = recorder.now
        if self.target.role == "director":
            since = recorder.wait_advert(interval)
        recorder.wait_until(since + phase * interval)
        self.run = replace(self.run, phase=phase)

    def inject(self) -> float:
        """Inject the fault; return its moment on the engine's clock. Raises AgentError."""
        recorder, name = self._recorder, self.target.name
        if self.fault.engine_heal:
            recorder.expect_end(name)

        self.ordered = True

        def order() -> float:
            return injecting.inject(
                recorder.request, self._lab.beside, self.fault, self.target, self.run.fault_id
            )

        try:
            t = float(recorder.carry_out(order))
        except LabError:
            # A node whose power was cut need not live to answer; its event tells.
            if not self.fault.engine_heal:
                raise
            recorder.pump(lambda: self.injected is not None, recorder.now + 5.0)
            if self.injected is None:
                raise
            t = self.injected
        self.injected = t
        if self.fault.returns is not None:
            recorder.at(t + self.fault.returns(self.target), self.heal)
        return t

    def heal(self) -> None:
        """Heal the fault, if it is in; nothing where it has healed. Raises AgentError."""
        if self.healed is not None:
            return
        recorder, name = self._recorder, self.target.name
        now = recorder.clock()
        if self.fault.engine_heal:
            # The agent of the new life may tell of the heal before anyone listens: the moment
            # at which the power came back is that of the order.
            recorder.carry_out(lambda: self._lab.start_node(name))
            if self.injected is not None:
                told = {"fault": self.fault.name, "id": self.run.fault_id, "by": "lvslab"}
                recorder.take(Event(now, name, "fault.healed", told))
            recorder.returned(name)
        else:
            recorder.tell(Event(now, name, HEALING, {"fault": self.fault.name}))

        def order() -> None:
            # This one alone: another in the same node has its own time.
            injecting.heal(recorder.request, self._lab.beside, self._parts, self.run.fault_id)

        recorder.carry_out(order)
        if self.injected is None and self.healed is None:
            return
        if self.healed is None:
            recorder.pump(lambda: self.healed is not None, recorder.now + 5.0)
        if self.healed is None:
            recorder.flaws.append("the heal was not seen")
            self.healed = recorder.now
        if self.injected is not None:
            down_for = self.healed - self.injected
            self.run = expect.with_promise_back(self._lab.spec, self.run, down_for)

    def settled(self) -> bool:
        """Whether what the fault does has been done, and requests are answered steadily again."""
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
        wanted = recorder.wanted_servers(without=self.target.name)
        return recorder.serves(limit.steady, since, wanted)

    def settled_back(self) -> bool:
        """Whether the lab is as it was: VIPs where they belong, tables full, all steady."""
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
        wanted = recorder.wanted_servers()
        return recorder.serves(limit.steady, since, wanted)

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
            spec = self._lab.spec
            self.run = expect.with_promises(spec, self.run, self.held, event.lasted)
            if self.fault.engine_heal:
                self._recorder.lost(self.target.name)
        elif event.kind == "fault.healed" and ours and self.healed is None:
            self.healed = event.t
        elif event.kind == "addr.add" and event.data["vip"]:
            if event.moves_vip:
                self._landmarks.append(event)
        elif removed(event, self.run.address):
            self._landmarks.append(event)


def _vips(events: list[Event]) -> set[str]:
    return {str(e.data["address"]).partition("/")[0] for e in events}
