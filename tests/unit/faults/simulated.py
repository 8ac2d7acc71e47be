"""A lab of two directors and two real servers in virtual time, as VRRP and the checks have it.

It stands in for agents and engine, so that the session's own logic (when to inject, when all
is settled, what is left behind) runs in milliseconds. It proves nothing about keepalived.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lvslab.agent import languages
from lvslab.errors import AgentError
from lvslab.faults.model import Operation
from lvslab.timeline.events import Event
from lvslab.topology.spec import TopologySpec

from ..plan.specs import article

VIP = "172.20.1.100"
START = 1000.0
DOWN = {"lvs1": 3.609, "lvs2": 3.805}
CHECKED = 9.0
ADDRESS = {"rs1": "172.20.1.10", "rs2": "172.20.1.11"}


class World:
    def __init__(self, spec: TopologySpec | None = None) -> None:
        self.spec = spec or article()
        self.now = START
        self.interrupt_at = float("inf")
        self.holders = {"lvs1"}
        self.speaking = {"lvs1"}
        self.linked = {"lvs1", "lvs2", "rs1", "rs2"}
        self.table = {"lvs1": {"rs1", "rs2"}, "lvs2": {"rs1", "rs2"}}
        self.answering = {"rs1", "rs2"}
        self.off: set[str] = set()
        self.journal: dict[str, list[dict[str, Any]]] = {}
        self.probing: dict[str, Any] | None = None
        self.probes_stopped: list[str] = []
        self.orders: list[tuple[float, str, str]] = []
        self.late = 0.0
        #: When the directors' keepalived was started.
        self.started = START - 60.0
        self.nodes = {n: SimNode(self, n) for n in ("lvs1", "lvs2", "rs1", "rs2", "client")}
        self._queue: list[tuple[float, int, Event | Callable[[], None]]] = []
        self._count = itertools.count()
        self.at(START + 0.3, self._advertise)

    # what the session sees of time and events

    def at(self, t: float, what: Event | Callable[[], None]) -> None:
        heapq.heappush(self._queue, (t, next(self._count), what))

    def emit(self, node: str, kind: str, *, delay: float = 0.0, **data: Any) -> None:
        self.at(self.now + delay, Event(self.now, node, kind, data))

    def next(self, timeout: float) -> Event | None:
        until = self.now + timeout
        while self._queue and self._queue[0][0] <= until:
            t, _, what = heapq.heappop(self._queue)
            self.now = max(self.now, t)
            if self.now >= self.interrupt_at:
                self.interrupt_at = float("inf")
                raise KeyboardInterrupt
            if isinstance(what, Event):
                return what
            what()
        self.now = until
        return None

    def start_node(self, name: str) -> None:
        self.orders.append((self.now, name, "start"))
        self.off.discard(name)
        self.journal.pop(name, None)
        self._returns(name)

    def beside(self, name: str, op: Operation) -> float:
        raise AssertionError(f"{op} lies outside {name}")

    # what happens in it

    def _advertise(self) -> None:
        for node in sorted(self.speaking):
            self.emit(
                node,
                "vrrp.advert",
                vrid=51,
                priority=100 if node == "lvs1" else 50,
                src="",
                dir="out",
                version=2,
            )
            self.last_advert = self.now
        self.at(self.now + 1.0, self._advertise)

    def vip(self, node: str, *, on: bool) -> None:
        if on == (node in self.holders):
            return
        (self.holders.add if on else self.holders.discard)(node)
        (self.speaking.add if on else self.speaking.discard)(node)
        kind = "addr.add" if on else "addr.del"
        self.emit(node, kind, interface="eth0", address=f"{VIP}/32", vip=True)

    def _request(self, k: int) -> None:
        probe = self.probing
        if probe is None:
            return
        due = probe["t0"] + k / probe["rate"]
        start = due + self.late
        alive = [d for d in sorted(self.holders, reverse=True) if d in self.linked]
        pool = sorted(self.table[alive[0]]) if alive else []
        targets = probe["targets"]
        server = pool[k // len(targets) % len(pool)] if pool else None
        if server is not None and server not in self.linked:
            server = None
        result = "timeout" if server is None else "ok" if server in self.answering else "refused"
        end = start + (probe["deadline"] if result == "timeout" else 0.001)
        told = end + (1.1 if result == "timeout" else 0.05)
        data = {
            "probe": probe["probe"],
            "seq": k,
            "target": languages.key(targets[k % len(targets)]),
            "due": due,
            "start": start,
            "end": end,
            "result": result,
            "server": ADDRESS[server] if server and result == "ok" else None,
            "detail": None,
        }
        self.at(told, Event(end, "client", "probe.result", data))
        self.at(due + 1 / probe["rate"], lambda: self._request(k + 1))

    def _removed(self, server: str) -> None:
        if server in self.answering and server in self.linked:
            return
        for director in ("lvs1", "lvs2"):
            self.table[director].discard(server)
            self._said(director, server, "DOWN")

    def _said(self, director: str, server: str, state: str) -> None:
        self.emit(director, "lvs.rs", vs=f"{VIP}:80", rs=f"{ADDRESS[server]}:80", state=state)

    def broken(self, node: str, fault: str) -> None:
        if node in ADDRESS:
            if fault in ("httpd-stop", "dns-stop", "udp-stop"):
                self.answering.discard(node)
            else:
                self.linked.discard(node)
            self.at(self.now + CHECKED, lambda: self._removed(node))
            return
        held = node in self.holders
        self.speaking.discard(node)
        if fault in ("link-down", "power-off"):
            self.linked.discard(node)
        if fault in ("link-down", "keepalived-stop", "keepalived-kill"):
            self.vip(node, on=False)
        if fault == "power-off":
            self.holders.discard(node)
        if fault == "link-down":
            for server in sorted(self.table[node]):
                self._said(node, server, "DOWN")
            self.table[node] = set()
        if held:
            graceful = fault in ("keepalived-stop", "keepalived-kill")
            when = self.now + 0.805 if graceful else self.last_advert + DOWN["lvs2"]
            self.at(when, lambda: self.vip("lvs2", on=True))

    def _returns(self, node: str) -> None:
        self.linked.add(node)
        if node in ADDRESS:
            self.answering.add(node)

            def up() -> None:
                for director in ("lvs1", "lvs2"):
                    self.table[director].add(node)
                    self._said(director, node, "UP")

            self.at(self.now + 8.0, up)
            return

        def take() -> None:
            self.vip("lvs2", on=False)
            self.vip(node, on=True)

        def fill() -> None:
            self.table[node] |= {"rs1", "rs2"}
            for server in ("rs1", "rs2"):
                self._said(node, server, "UP")

        if node == "lvs1":
            self.at(self.now + DOWN["lvs1"], take)
        self.at(self.now + CHECKED, fill)


class SimNode:
    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name

    def link(self) -> SimLink:
        if self._name in self._world.off:
            raise AgentError("its container died", where=self._name)
        return SimLink(self._world, self._name)


class SimLink:
    def __init__(self, world: World, node: str) -> None:
        self._world, self.node = world, node

    def request(self, do: str, *, timeout: float = 10.0, **params: Any) -> dict[str, Any]:
        world, node = self._world, self.node
        world.orders.append((world.now, node, do))
        if node in world.off:
            raise AgentError("its container died", where=node)
        match do:
            case "status":
                return {
                    "holds": [VIP] if node in world.holders else [],
                    "services": {"keepalived": {"running": True, "since": world.started}},
                }
            case "journal":
                return {"entries": list(world.journal.get(node, []))}
            case "probe.start":
                world.probing = {**params, "t0": world.now + 0.05}
                world.at(world.now + 0.05, lambda: world._request(0))
                return {"pid": 1, "t0": world.now + 0.05}
            case "probe.stop":
                world.probing = None
                world.probes_stopped.append(params["probe"])
                world.emit(node, "probe.stopped", delay=1.2, probe=params["probe"])
            case "inject":
                t = world.now
                fault = params["fault"]
                world.journal.setdefault(node, []).append(
                    {"fault_id": params["fault_id"], "fault": fault}
                )
                world.emit(node, "fault.injected", fault=fault, id=params["fault_id"], t_end=t)
                world.broken(node, fault)
                if fault == "power-off":
                    world.off.add(node)
                    raise AgentError("its container died", where=node)
                return {"t": t, "t_end": t}
            case "heal":
                fault_id = params.get("fault_id")
                left = world.journal.pop(node, [])
                entries = [e for e in left[::-1] if fault_id in (None, e["fault_id"])]
                if rest := [e for e in left if e not in entries]:
                    world.journal[node] = rest
                for entry in entries:
                    world.emit(
                        node, "fault.healed", fault=entry["fault"], id=entry["fault_id"], by="heal"
                    )
                    world._returns(node)
                return {"healed": [e["fault_id"] for e in entries]}
        return {}


class SimCollector:
    """As lvslab.observe.collector.Collector, in the world's time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.closed = False

    def follow(self, link: SimLink) -> None:
        del link

    def expect_end(self, node: str) -> None:
        del node

    def next(self, timeout: float) -> Event | None:
        return self._world.next(timeout)

    def engine_now(self) -> float | None:
        return self._world.now

    def close(self) -> None:
        self.closed = True


class Inline:
    """An executor that has no threads: in virtual time nothing may run beside."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs

    def submit(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(do(*args, **kwargs))
        except AgentError as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        pass
