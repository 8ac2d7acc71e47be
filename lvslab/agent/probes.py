"""The agent's side of probes and requests: children, leases, what they report."""

from __future__ import annotations

import os

from . import asking, children, fetch, languages, probe
from .proto import Refused, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .loop import Loop, Task
    from .proto import Out
    from .services import Supervisor

#: Seconds without ``probe.renew`` after which a probe stops by itself.
LEASE = 30.0
#: Requests that one ``request`` may make.
MAX_COUNT = 10000


class _Running:
    """One probe."""

    def __init__(self, pid: int, control: int, lease: float) -> None:
        self.pid = pid
        self.control = control
        self.lease = lease
        self.timer = 0
        self.rest = b""
        self.said_all = False


class Probes:
    """Every probe of this node."""

    def __init__(self, loop: Loop, supervisor: Supervisor, out: Out, node: str) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._out = out
        self._node = node
        self._running: dict[str, _Running] = {}

    def pids(self) -> set[int]:
        """Return the processes that probe."""
        return {running.pid for running in self._running.values()}

    def start(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start a probe; return {pid, t0}, t0 being when request 0 is due. Raises Refused."""
        name = str(order["probe"])
        if name in self._running:
            raise Refused(f"probe {name} runs already", "stop it, or renew its lease")
        rate, deadline = float(order["rate"]), float(order["deadline"])
        lease = float(order.get("lease", LEASE))
        if not 0 < rate <= probe.MAX_RATE or deadline <= 0 or lease <= 0 or not order["targets"]:
            raise Refused(
                f"a probe of {rate:g} Hz to {len(order['targets'])} targets cannot be made",
                f"at most {probe.MAX_RATE:g} Hz, positive times, one target at least",
            )
        connections = order.get("connections", "short")
        if connections not in probe.CONNECTIONS:
            raise Refused(
                f"no connections {connections!r}", "one of " + ", ".join(probe.CONNECTIONS)
            )
        languages.check(order["targets"], lasting=connections != "short")
        # Done here, before the first request is due, and once for all probes: they are forks.
        if any(t.get("tls") for t in order["targets"]):
            fetch.tls_ready()
        plan = order | {"probe": name, "t0": now() + probe.LEAD}
        pid, output, control = children.fork(lambda out, ctl: probe.run(self._node, plan, out, ctl))
        running = _Running(pid, control, lease)
        self._running[name] = running
        self._supervisor.adopt(pid, lambda status: self._ended(name, running, status))
        children.Output(self._loop, output, lambda data: self._forward(running, data))
        self.renew(name)
        return {"pid": pid, "t0": round(plan["t0"], 6)}

    def renew(self, name: str) -> None:
        """Give a probe its lease anew. Raises Refused when it has stopped."""
        running = self._get(name)
        self._loop.cancel(running.timer)
        running.timer = self._loop.call_at(now() + running.lease, lambda: self._stop(running))

    def stop(self, name: str) -> None:
        """Stop a probe: it waits for what is under way, then reports ``probe.stopped``."""
        self._stop(self._get(name))

    def _get(self, name: str) -> _Running:
        if name not in self._running or self._running[name].control < 0:
            raise Refused(f"no probe {name!r} runs", "its lease may have run out: start another")
        return self._running[name]

    def _stop(self, running: _Running) -> None:
        self._loop.cancel(running.timer)
        if running.control >= 0:
            os.close(running.control)
            running.control = -1

    def _forward(self, running: _Running, data: bytes) -> None:
        lines, newline, running.rest = (running.rest + data).rpartition(b"\n")
        last = b'"ev":"probe.stopped"' in lines
        running.said_all = running.said_all or last
        if newline:
            self._out.raw(lines + newline, droppable=not last)

    def _ended(self, name: str, running: _Running, status: int) -> None:
        self._stop(running)
        del self._running[name]
        if status != 0:
            error = f"the probe's process ended with {status}"
            self._out.event("probe.stopped", probe=name, error=error)


def requests(
    loop: Loop, supervisor: Supervisor, order: dict[str, Any], seconds: float | None = None
) -> Task:
    """Task: make ``count`` requests one after the other; return their results, a list.

    Raises Refused when they take longer than ``seconds`` (default: all their deadlines).
    """
    vip, port, path = str(order["vip"]), int(order["port"]), str(order.get("path", "/"))
    count, deadline = int(order.get("count", 1)), float(order.get("deadline", 3.0))
    if not 0 < count <= MAX_COUNT or deadline <= 0:
        raise Refused(f"{count} requests of {deadline:g} s each", f"1 to {MAX_COUNT}, above 0 s")

    http = isinstance(languages.of(order), languages.Http)
    secure = bool(order.get("tls"))
    if secure:
        fetch.tls_ready()

    def work() -> list[dict[str, Any]]:
        if not http:
            return [asking.once(order, deadline) for _ in range(count)]
        return [fetch.once(vip, port, path, deadline, secure=secure) for _ in range(count)]

    patience = count * deadline + 10.0 if seconds is None else seconds
    return (yield from children.call(loop, supervisor, work, patience))
