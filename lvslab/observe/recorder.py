"""What every watched run has: subscriptions, probe, watch and conditions, on the engine's time."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lvslab.closing import Closing
from lvslab.errors import LabError, NotReadyError
from lvslab.observe import expect
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.tracker import Change, Held, Tables, Tracker
from lvslab.timeline.events import INITIAL, Event, ProbeResult
from lvslab.timeline.reading import STEADY_BEFORE
from lvslab.timeline.run import Connections

if TYPE_CHECKING:
    from lvslab.observe.link import AgentLink

#: Events of lvslab's own, for whoever shows a run as it happens; never part of a timeline.
CLIENT_LOST, CLIENT_BACK, HEALING = "client.lost", "client.back", "healing"

_OF_PROBE = frozenset({"probe.result", "probe.connection"})

OnEvent = Callable[[Event], None]

#: Seconds for which a probe and a watch go on after lvslab has died, and between renewals.
_LEASE, _RENEW = 30.0, 10.0
#: Seconds until the lab must serve steadily before a fault may be injected.
READY = 60.0
#: Good requests that are needed to call the lab steady before a fault.
_COUNT = 25
#: Longest wait for one event before conditions are looked at again.
_BEAT = 0.2


class Recorder(Closing):
    """Records everything that a lab's nodes tell, while a probe asks every virtual server.

    Over connections that last only those of HTTP. A context manager: it ends the probe. Times are
    those of the engine's clock, in seconds. Raises FaultError when nothing can be asked.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        rate: float,
        deadline: float,
        connections: Connections = "short",
        on_event: OnEvent | None = None,
        collector: Collector | None = None,
    ) -> None:
        spec = lab.spec
        expect.require(spec, connections)
        self.lab = lab
        self.client = spec.clients[0].name
        self.rate, self.deadline = rate, deadline
        self._connections = connections
        self.targets = expect.targets(spec, connections)
        self.events: list[Event] = []
        #: The newest time stamp there is; when the recording began, and why it is not whole.
        self.now = self.recorded_from = 0.0
        self.flaws: list[str] = []
        #: VIPs by director, as they were held when the recording began.
        self.initially: dict[str, tuple[str, ...]] = {}
        #: Whose each MAC is.
        self.macs: dict[str, str] = {}
        self.tracker = Tracker(self.targets, deadline)
        self.tables, self.held = Tables(), Held()
        self._on_event: OnEvent = on_event or (lambda _event: None)
        self._collector = collector or Collector()
        self._links: dict[str, AgentLink] = {}
        self._probe = f"probe-{secrets.token_hex(4)}"
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="order")
        self._probing = False
        self._probe_ended = False
        #: A connection that was to last has ended.
        self._ended = False
        self._renew_at = 0.0
        #: From then on each director has made each of its checks.
        self._checked = 0.0
        #: Nodes whose power is off: they cannot be asked anything.
        self._absent: set[str] = set()
        self._listeners: list[Callable[[Event], None]] = []
        #: What is to be done, and when.
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def __enter__(self) -> Recorder:
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self) -> None:
        """Follow every node and start the probe. Raises AgentError; then :meth:`close` it."""
        spec = self.lab.spec
        directors = [d.name for d in spec.directors]
        for name in [*directors, *(r.name for r in spec.real_servers), self.client]:
            self._collector.follow(self.link(name))
            self.macs.update((mac, name) for mac in self.request(name, "ping").get("macs", ()))
        said = {name: self.request(name, "status") for name in directors}
        self._checked = expect.checked_after(spec) + max(
            (float(one["services"]["keepalived"]["since"]) for one in said.values()), default=0.0
        )
        self._watch()
        started = self.request(
            self.client,
            "probe.start",
            probe=self._probe,
            targets=expect.orders(spec, self._connections),
            rate=self.rate,
            deadline=self.deadline,
            lease=_LEASE,
            connections=self._connections,
        )
        self._probing = True
        t0 = float(started["t0"])
        self.now = self.recorded_from = t0
        self._renew_at = t0 + _RENEW
        for name, one in said.items():
            vips = one["holds"]
            self.initially[name] = tuple(map(str, vips))
            self.take(Event(t0, name, INITIAL, {"holds": list(vips)}))
            self.held.set(name, map(str, vips))

    # --- steadiness and phase -----------------------------------------------------------

    def wait_steady(self, timeout: float = READY, seconds: float = STEADY_BEFORE) -> None:
        """Wait until each real server that should answers, and nothing failed for ``seconds``.

        Not before each check has been made: of a first one that fails nothing is promised. Raises
        NotReadyError ``timeout`` seconds (engine clock) after that and says what is missing.
        """
        self.wait_until(self._checked)
        self.pump(lambda: self.steady(seconds), self.now + timeout)
        if not self.steady(seconds):
            wanted = self.wanted_servers()
            why = [
                self.tracker.why_not(t, seconds, count=_COUNT, servers=wanted) for t in self.targets
            ]
            raise NotReadyError(
                f"the lab did not serve steadily within {timeout:g} s, before any fault: "
                + "; ".join(w for w in why if w),
                fix="lvslab status shows what is wrong; lvslab heal undoes faults",
            )

    def steady(self, seconds: float = STEADY_BEFORE) -> bool:
        """Whether nothing failed for ``seconds``, and each real server that should answers."""
        wanted = self.wanted_servers()
        return self.tracker.steady(seconds, count=_COUNT, servers=wanted)

    def serves(self, seconds: float, since: float, servers: dict[str, frozenset[str]]) -> bool:
        """Whether requests were answered steadily for ``seconds``, from ``since`` on.

        A stream that has ended is answered no more: then there is nothing to wait for.
        """
        over = self._connections == "stream" and self._ended
        return over or self.tracker.steady(seconds, since=since, servers=servers)

    def wanted_servers(self, without: str | None = None) -> dict[str, frozenset[str]]:
        """Return who must be seen answering, by target; on lasting connections nobody must."""
        if self._connections != "short":
            return {}
        return expect.expected_servers(self.lab.spec, without=without)

    def wait_advert(self, interval: float) -> float:
        """Wait for the next advert that any director sends; return its time, or the time now.

        ``interval``: seconds between adverts. After three of them and a second, nobody sends.
        """
        since, start = self.now, len(self.events)
        self.pump(lambda: any(_sent(e) for e in self.events[start:]), since + 3 * interval + 1.0)
        return max((e.t for e in self.events[start:] if _sent(e)), default=since)

    def wait_until(self, t: float) -> None:
        """Take events until the engine's clock says ``t``."""
        self.pump(lambda: self.clock() >= t, t)

    # --- events -----------------------------------------------------------------------

    def clock(self) -> float:
        """Return the engine's time now, as near as can be known. For scheduling only."""
        return self._collector.engine_now() or self.now

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have ``listener`` called with every event from now on."""
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        """Show an event to whoever watches, without recording it."""
        self._on_event(event)

    def at(self, t: float, do: Callable[[], None]) -> None:
        """Have something done when the engine's clock says ``t``, whatever is waited for then."""
        self._timers.append((t, do))

    def due(self) -> float | None:
        """Return when the last of what :meth:`at` was told is due; None: all is done."""
        return max((t for t, _ in self._timers), default=None)

    def drop(self) -> None:
        """Do nothing any more of what :meth:`at` was told."""
        self._timers.clear()

    def pump(self, done: Callable[[], bool], until: float) -> None:
        """Take events until ``done`` or the engine's clock has passed ``until``."""
        while True:
            now = self.clock()
            timer = min(self._timers, key=lambda one: one[0], default=None)
            if timer is not None and timer[0] <= now:
                self._timers.remove(timer)
                timer[1]()
                continue
            if done() or until <= now:
                return
            soonest = until if timer is None else min(until, timer[0])
            self._renew()
            event = self._collector.next(min(soonest - now, _BEAT))
            if event is not None:
                self.take(event)

    def carry_out(self, order: Callable[[], Any]) -> Any:
        """Do what takes a while beside the taking of events; return its result or raise."""
        future: Future[Any] = self._pool.submit(order)
        while not future.done():
            event = self._collector.next(_BEAT)
            if event is not None:
                self.take(event)
        return future.result()

    def take(self, event: Event) -> None:
        """Record an event."""
        if event.kind in _OF_PROBE and event.data.get("probe") not in (None, self._probe):
            return
        self.events.append(event)
        self.now = max(self.now, event.t)
        if event.kind == "probe.result":
            for change in self.tracker.add(ProbeResult.of(event)):
                self._on_event(_shown(change, event.node))
        elif event.kind == "probe.stopped" and event.data.get("probe") == self._probe:
            self._probe_ended = True
        elif event.kind == "probe.connection":
            self._ended = True
        self.tables.note(event)
        self.held.note(event)
        for listener in self._listeners:
            listener(event)
        self._on_event(event)

    # --- nodes --------------------------------------------------------------------------

    def expect_end(self, node: str) -> None:
        """Do not take the end of this node's events for an error: its power will be cut."""
        self._collector.expect_end(node)

    def lost(self, node: str) -> None:
        """Note that a node's kernel is gone, and says nothing any more."""
        self._absent.add(node)
        self.held.set(node, ())

    def returned(self, node: str) -> None:
        """Hear a node again that was started anew."""
        self._absent.discard(node)
        self._links.pop(node, None)
        self._collector.follow(self.link(node))
        self._watch()

    def request(self, node: str, do: str, **params: Any) -> dict[str, Any]:
        """Ask a node's agent. Raises AgentError."""
        return self.link(node).request(do, **params)

    def link(self, node: str) -> AgentLink:
        """Return the connection to a node's agent. Raises AgentError."""
        if node not in self._links:
            self._links[node] = self.lab.nodes[node].link()
        return self._links[node]

    def _renew(self) -> None:
        if self._probing and self.now >= self._renew_at:
            self._renew_at = self.now + _RENEW
            self.request(self.client, "probe.renew", probe=self._probe)
            self._watch()

    def _watch(self) -> None:
        for director in self.lab.spec.directors:
            if director.name not in self._absent:
                self.request(director.name, "watch", seconds=_LEASE)

    # --- the end --------------------------------------------------------------------------

    def stop_probe(self) -> None:
        """Stop the probe and take its last results."""
        if not self._probing:
            return
        self._probing = False
        self.request(self.client, "probe.stop", probe=self._probe)
        # What is under way has until its deadline; the agent then says that it has stopped.
        self.pump(lambda: self._probe_ended, self.now + self.deadline + 10.0)
        if not self._probe_ended:
            self.flaws.append("the probe did not say that it had stopped")

    def close(self) -> None:
        """End the probe and all subscriptions. Safe to call twice; faults stay."""
        try:
            if self._probing:
                self._probing = False
                self.request(self.client, "probe.stop", probe=self._probe)
        except LabError:
            # Its lease ends it; whoever closes has a better error to tell, or a result.
            self.flaws.append("the probe could not be stopped; it ends by itself")
        finally:
            self._pool.shutdown()
            self._collector.close()


def _shown(change: Change, client: str) -> Event:
    data = {"target": change.target, "result": change.result}
    return Event(change.t, client, CLIENT_LOST if change.lost else CLIENT_BACK, data)


def _sent(event: Event) -> bool:
    return event.kind == "vrrp.advert" and event.data["dir"] == "out"
