"""The parts of a watched fault: subscriptions, probe, injection, conditions, on engine time."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lvslab.errors import FaultError, LabError, NotReadyError
from lvslab.faults.model import Fault, Target
from lvslab.faults.registry import choose
from lvslab.observe import expect
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.healing import HEAL_TIMEOUT, journal
from lvslab.observe.tracker import Change, Held, Tables, Tracker
from lvslab.timeline.decomposition import removed
from lvslab.timeline.events import INITIAL, Event, ProbeResult
from lvslab.timeline.result import STEADY_BEFORE, FaultResult, analyse
from lvslab.timeline.run import Run

if TYPE_CHECKING:
    from lvslab.observe.link import AgentLink

#: Events of lvslab's own, for whoever shows a run as it happens; never part of a timeline.
CLIENT_LOST, CLIENT_BACK, HEALING = "client.lost", "client.back", "healing"

OnEvent = Callable[[Event], None]

#: Seconds for which a probe and a watch go on after lvslab has died, and between renewals.
_LEASE, _RENEW = 30.0, 10.0
#: Seconds until the lab must serve steadily before a fault may be injected.
_READY = 60.0
#: Longest wait for one event before conditions are looked at again.
_BEAT = 0.2


class FaultSession:
    """Subscriptions, watch and probe around one fault. A context manager: it ends the probe.

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
        self._on_event: OnEvent = on_event or (lambda _event: None)
        self._seed = secrets.randbits(32) if seed is None else seed
        self._events: list[Event] = []
        self._collector = collector or Collector()
        self._links: dict[str, AgentLink] = {}
        self._probe = f"probe-{secrets.token_hex(4)}"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="order")
        self._probing = False
        self._probe_ended = False
        self._renew_at = 0.0
        self._now = 0.0
        self.injected: float | None = None
        self.healed: float | None = None
        #: The VIPs that the node held before.
        self._mine: set[str] = set()
        #: VIPs that were taken and real servers removed. Looked at afterwards, because the
        #: agent tells of a fault when its operations are done, and others are quicker.
        self._landmarks: list[Event] = []
        self._tables, self._held = Tables(), Held()
        self.run: Run = expect.describe(
            lab.spec,
            self.target,
            self.fault.name,
            fault_id=secrets.token_hex(6),
            rate=rate,
            deadline=deadline,
            seed=self._seed,
        )
        self._tracker = Tracker(self.run.targets, deadline)

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
        spec = self._lab.spec
        left = journal(self._lab, self.target.name)
        if left:
            raise FaultError(
                f"{left[0]['fault']} is in {self.target.name} already",
                fix=f"lvslab heal {self.target.name}",
            )
        directors = [d.name for d in spec.directors]
        macs: dict[str, str] = {}
        for name in [*directors, *(r.name for r in spec.real_servers), self.run.client]:
            self._collector.follow(self._link(name))
            macs.update((mac, name) for mac in self._request(name, "ping").get("macs", ()))
        held = {name: self._request(name, "status")["holds"] for name in directors}
        self._watch()
        started = self._request(
            self.run.client,
            "probe.start",
            probe=self._probe,
            targets=[_target(key, path) for key, path in expect.paths(spec).items()],
            rate=self.run.rate,
            deadline=self.run.deadline,
            lease=_LEASE,
        )
        self._probing = True
        t0 = float(started["t0"])
        self.run = replace(self.run, recorded_from=t0, macs=macs)
        self._now, self._renew_at = t0, t0 + _RENEW
        for name, vips in held.items():
            self._take(Event(t0, name, INITIAL, {"holds": list(vips)}))
            self._held.set(name, map(str, vips))
        self._mine = {str(v) for v in held.get(self.target.name, ())}
        self.run = expect.with_promises(spec, self.run, held)

    def wait_steady(self, timeout: float = _READY) -> None:
        """Wait until each real server that should answers, and nothing fails.

        Raises NotReadyError after ``timeout`` seconds (engine clock) and says what is missing.
        """
        self._pump(self.steady, self._now + timeout)
        if not self.steady():
            wanted = expect.expected_servers(self._lab.spec)
            why = [
                self._tracker.why_not(t, STEADY_BEFORE, count=25, servers=wanted)
                for t in self.run.targets
            ]
            raise NotReadyError(
                f"the lab did not serve steadily within {timeout:g} s, before any fault: "
                + "; ".join(w for w in why if w),
                fix="lvslab status shows what is wrong; lvslab heal undoes faults",
            )

    def steady(self) -> bool:
        """Whether nothing fails at the moment, and each real server that should answers."""
        wanted = expect.expected_servers(self._lab.spec)
        return self._tracker.steady(STEADY_BEFORE, count=25, servers=wanted)

    def wait_phase(self) -> None:
        """Wait a random part of the interval that decides how long detection takes.

        A director: of the advert interval, from an advert of the node that holds the VIP. A
        real server: of the checks' delay_loop. A fixed time of settling would inject at one
        phase, and every repeat would read alike.
        """
        phase = random.Random(self._seed).random()
        interval = expect.watched_interval(self._lab.spec, self.target)
        since = self._now
        if self.target.role == "director":
            start = len(self._events)
            # Three intervals and a second: an advert is on its way, or nobody sends any.
            until = since + 3 * interval + 1.0
            self._pump(lambda: any(_sent(e) for e in self._events[start:]), until)
            since = max((e.t for e in self._events[start:] if _sent(e)), default=since)
        until = since + phase * interval
        self._pump(lambda: (self._collector.engine_now() or self._now) >= until, until)
        self.run = replace(self.run, phase=phase)

    def inject(self) -> float:
        """Inject the fault; return its moment on the engine's clock. Raises AgentError."""
        if self.fault.engine_heal:
            self._collector.expect_end(self.target.name)
        order = self._pool.submit(
            self._request,
            self.target.name,
            "inject",
            fault=self.fault.name,
            fault_id=self.run.fault_id,
            ops=self.fault.inject_ops(self.target),
            heal=self.fault.heal_ops(self.target),
            timeout=HEAL_TIMEOUT,
        )
        try:
            t = float(self._await(order)["t"])
        except LabError:
            # A node whose power was cut need not live to answer; its event tells.
            if not self.fault.engine_heal:
                raise
            self._pump(lambda: self.injected is not None, self._now + 5.0)
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
            self._pump(lambda: False, self.injected + seconds)
        else:
            self._pump(self._settled, self.injected + limit.give_up)

    def heal(self) -> None:
        """Heal the fault. Raises AgentError."""
        name = self.target.name
        if self.fault.engine_heal:
            # The agent of the new life may tell of the heal before anyone listens: the moment
            # at which the power came back is that of the order.
            t = self._collector.engine_now() or self._now
            self._await(self._pool.submit(self._lab.start_node, name))
            self._take(
                Event(
                    t,
                    name,
                    "fault.healed",
                    {"fault": self.fault.name, "id": self.run.fault_id, "by": "lvslab"},
                )
            )
            self._links.pop(name, None)
            self._collector.follow(self._link(name))
            self._watch()
        else:
            now = self._collector.engine_now() or self._now
            self._on_event(Event(now, name, HEALING, {"fault": self.fault.name}))
        self._await(self._pool.submit(self._request, name, "heal", timeout=HEAL_TIMEOUT))
        if self.healed is None:
            self._pump(lambda: self.healed is not None, self._now + 5.0)
        if self.healed is None:
            self.flaw("the heal was not seen")
            self.healed = self._now
        if self.injected is not None:
            down_for = self.healed - self.injected
            self.run = expect.with_promise_back(self._lab.spec, self.run, down_for)

    def watch_back(self) -> None:
        """Watch until the lab is as it was: VIPs where they belong, tables full, all steady."""
        limit = expect.limits_back(self._lab.spec, self.run)
        self._pump(self._settled_back, (self.healed or self._now) + limit.give_up)

    def finish(self) -> FaultResult:
        """Stop the probe, take its last results, and return what all of it says."""
        self._stop_probe()
        self.run = replace(self.run, recorded_until=self._now)
        return analyse(self.run, self._events)

    def flaw(self, text: str) -> None:
        """Note why the recording is not whole; its verdict will be inconclusive."""
        self.run = replace(self.run, flaws=(*self.run.flaws, text))

    def close(self) -> None:
        """End the probe and all subscriptions. Safe to call twice; the fault stays."""
        try:
            if self._probing:
                self._probing = False
                self._request(self.run.client, "probe.stop", probe=self._probe)
        except LabError:
            # Its lease ends it; whoever closes has a better error to tell, or a result.
            self.flaw("the probe could not be stopped; it ends by itself")
        finally:
            self._pool.shutdown()
            self._collector.close()

    # --- conditions -------------------------------------------------------------------

    def _settled(self) -> bool:
        if self.injected is None:
            return False
        spec, limit = self._lab.spec, expect.limits(self.run)
        if self.target.role == "real-server":
            marks = [
                e for e in self._landmarks if e.t >= self.injected and removed(e, self.run.address)
            ]
            changed = {e.node for e in marks} >= {d.name for d in spec.directors}
        else:
            # What it held is held by another: only then can a request be lost no more.
            marks = self._taken(self.injected)
            changed = bool(self._mine) and _vips(marks) >= self._mine
        if not changed and self._now < self.injected + limit.expected:
            return False
        # Steady counts from the last change on: before it another still served.
        since = max([self.injected, *(e.t for e in marks)])
        wanted = expect.expected_servers(spec, without=self.target.name)
        return self._tracker.steady(limit.steady, since=since, servers=wanted)

    def _settled_back(self) -> bool:
        if self.healed is None or self.injected is None:
            return False
        spec, limit = self._lab.spec, expect.limits_back(self._lab.spec, self.run)
        moved = self._taken(self.injected)
        returns = bool(moved) and expect.taken_back(spec, self.target.name)
        if self._tables.out or (returns and not self._held.alone(self.target.name, self._mine)):
            return False
        since = max(self.healed, self._held.changed)
        wanted = expect.expected_servers(spec)
        return self._tracker.steady(limit.steady, since=since, servers=wanted)

    def _taken(self, since: float) -> list[Event]:
        """Return when others took a VIP."""
        return [
            e
            for e in self._landmarks
            if e.kind == "addr.add" and e.t >= since and e.node != self.target.name
        ]

    # --- events -----------------------------------------------------------------------

    def _pump(self, done: Callable[[], bool], until: float) -> None:
        """Take events until ``done`` or the engine's clock has passed ``until``."""
        while not done():
            now = self._collector.engine_now()
            left = until - (self._now if now is None else now)
            if left <= 0:
                return
            self._renew()
            event = self._collector.next(min(left, _BEAT))
            if event is not None:
                self._take(event)

    def _await(self, order: Future[Any]) -> Any:
        """Take events until an order is carried out; return its result or raise its error."""
        while not order.done():
            event = self._collector.next(_BEAT)
            if event is not None:
                self._take(event)
        return order.result()

    def _take(self, event: Event) -> None:
        if event.kind == "probe.result" and event.data.get("probe") not in (None, self._probe):
            return
        self._events.append(event)
        self._now = max(self._now, event.t)
        ours = event.data.get("id") == self.run.fault_id
        if event.kind == "probe.result":
            for change in self._tracker.add(ProbeResult.of(event)):
                self._on_event(_shown(change, event.node))
        elif event.kind == "probe.stopped" and event.data.get("probe") == self._probe:
            self._probe_ended = True
        elif event.kind == "fault.injected" and ours:
            self.injected = event.t
            if self.fault.engine_heal:  # its kernel is gone, and says nothing any more
                self._held.set(self.target.name, ())
        elif event.kind == "fault.healed" and ours and self.healed is None:
            self.healed = event.t
        elif event.kind == "addr.add" and event.data["vip"]:
            if event.data["interface"] != "lo":
                self._landmarks.append(event)
        elif removed(event, self.run.address):
            self._landmarks.append(event)
        self._tables.note(event)
        self._held.note(event)
        self._on_event(event)

    def _renew(self) -> None:
        if self._probing and self._now >= self._renew_at:
            self._renew_at = self._now + _RENEW
            self._request(self.run.client, "probe.renew", probe=self._probe)
            self._watch()

    def _watch(self) -> None:
        for director in self._lab.spec.directors:
            gone = director.name == self.target.name and self.injected is not None
            if not (gone and self.fault.engine_heal and self.healed is None):
                self._request(director.name, "watch", seconds=_LEASE)

    def _stop_probe(self) -> None:
        if not self._probing:
            return
        self._probing = False
        self._request(self.run.client, "probe.stop", probe=self._probe)
        # What is under way has until its deadline; the agent then says that it has stopped.
        self._pump(lambda: self._probe_ended, self._now + self.run.deadline + 10.0)
        if not self._probe_ended:
            self.flaw("the probe did not say that it had stopped")

    def _request(self, node: str, do: str, **params: Any) -> dict[str, Any]:
        return self._link(node).request(do, **params)

    def _link(self, node: str) -> AgentLink:
        if node not in self._links:
            self._links[node] = self._lab.nodes[node].link()
        return self._links[node]


def _shown(change: Change, client: str) -> Event:
    data = {"target": change.target, "result": change.result}
    return Event(change.t, client, CLIENT_LOST if change.lost else CLIENT_BACK, data)


def _target(key: str, path: str) -> dict[str, Any]:
    vip, _, port = key.rpartition(":")
    return {"vip": vip, "port": int(port), "path": path}


def _vips(events: list[Event]) -> set[str]:
    return {str(e.data["address"]).partition("/")[0] for e in events}


def _sent(event: Event) -> bool:
    return event.kind == "vrrp.advert" and event.data["dir"] == "out"
