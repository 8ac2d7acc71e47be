"""Changes of the IPVS table as events. IPVS tells nobody of them: it is asked every 50 ms.

Asked, and compared octet by octet, so that a poll in which nothing changed costs a few system
calls and no parsing. Traffic changes the counters all the time: they are left out of it.
"""

from __future__ import annotations

import time

from . import ipvs_netlink
from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .ipvs_netlink import Server, Service
    from .loop import Loop

#: Seconds between two polls.
INTERVAL = 0.05
#: The most of a processor that polling may take: a table of a hundred virtual servers on an
#: emulated processor is polled less often, and each event says how often.
SHARE = 0.1
#: Seconds between two reports of the connections.
COUNTERS = 1.0


class Watch:
    """Polls the table while it is wanted, and reports it, its changes and its connections."""

    def __init__(self, loop: Loop, emit: Callable[..., None]) -> None:
        self._loop = loop
        self._emit = emit
        self._sock: ipvs_netlink.Socket | None = None
        self._until = 0.0
        self._timer = 0
        #: When the last poll began: what the next one finds changed, changed after that.
        self._read_at = 0.0
        self._counted_at = 0.0
        self._reader = ipvs_netlink.Reader()
        #: By the attributes that name a virtual server: it, and its real servers' messages' keys.
        self._services: dict[bytes, tuple[Service, list[bytes], dict[tuple[str, int], Server]]] = {}

    def watch(self, until: float) -> None:
        """Report the table now, and changes until ``until`` (CLOCK_MONOTONIC).

        A kernel without IPVS, or one that does not answer, is a warning: the rest of a watch is
        of use without it.
        """
        fresh = self._sock is None
        self._until = until
        if until <= now():
            self._stop()
            return
        try:
            if self._sock is None:
                self._sock = ipvs_netlink.Socket()
            self._poll(report=not fresh)
        except OSError as error:
            self._fail(error)
            return
        whole = ipvs_netlink.table((s, found.values()) for s, _, found in self._services.values())
        self._emit("ipvs.table", table=whole, interval=INTERVAL)
        if fresh:
            self._timer = self._loop.call_at(self._read_at + INTERVAL, self._again)

    def _again(self) -> None:
        begun, used = now(), time.process_time()
        if begun >= self._until:
            self._stop()
            return
        try:
            self._poll(report=True)
        except OSError as error:
            self._fail(error)
            return
        rest = (time.process_time() - used) / SHARE
        self._timer = self._loop.call_at(begun + max(INTERVAL, rest), self._again)

    def _stop(self) -> None:
        self._loop.cancel(self._timer)
        self._services.clear()
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _fail(self, error: OSError) -> None:
        self._stop()
        self._emit("agent.warning", what=f"watching IPVS: {error.strerror or error}")

    def _poll(self, *, report: bool) -> None:
        sock = self._sock
        if sock is None:
            return
        begun = t = now()
        counting = begun - self._counted_at >= COUNTERS
        counted: list[dict[str, Any]] = []
        before = self._services
        self._services = {}
        for payload in sock.services():
            service = self._reader.service(payload)
            answers = sock.servers(service.ident)
            keys = [self._reader.key(answer) for answer in answers]
            known = before.pop(service.ident, None)
            if known is not None and known[1] == keys:
                servers = known[2]
            else:
                servers = self._servers(service, keys, answers)
                t = now()
                if report:
                    self._compare(t, service, None if known is None else known[2], servers)
            self._services[service.ident] = (service, keys, servers)
            if counting:
                counted += [
                    _name(service, one) | ipvs_netlink.connections(answer)
                    for one, answer in zip(servers.values(), answers, strict=False)
                ]
        if report:
            for service, _, servers in before.values():
                self._compare(now(), service, servers, None)
        self._read_at = begun
        if counting:
            self._counted_at = begun
            if counted:
                self._emit("ipvs.conns", begun, droppable=True, servers=counted)

    def _servers(
        self, service: Service, keys: list[bytes], answers: list[bytes]
    ) -> dict[tuple[str, int], Server]:
        found = {}
        for key, answer in zip(keys, answers, strict=True):
            one = self._reader.server(service.family, key, answer)
            found[one.address, one.port] = one
        return found

    def _compare(
        self,
        t: float,
        service: Service,
        before: dict[tuple[str, int], Server] | None,
        after: dict[tuple[str, int], Server] | None,
    ) -> None:
        if before is None:
            self._emit("ipvs.service", t, change="added", **service.fields, since=self._since())
        for key, one in (before or {}).items():
            if key not in (after or {}):
                self._say(t, service, one, "removed", None, one.weight)
        for key, one in (after or {}).items():
            old = (before or {}).get(key)
            if old is None:
                self._say(t, service, one, "added", one.weight, None)
                continue
            if old.weight != one.weight:
                self._say(t, service, one, "weight", one.weight, old.weight)
            if old.forward != one.forward:
                self._say(t, service, one, "forward", one.weight, old.forward)
        if after is None:
            self._emit("ipvs.service", t, change="removed", **service.fields, since=self._since())

    def _say(
        self, t: float, service: Service, one: Server, change: str, weight: int | None, was: Any
    ) -> None:
        self._emit(
            "ipvs",
            t,
            change=change,
            **_name(service, one),
            forward=one.forward,
            weight=weight,
            was=was,
            since=self._since(),
        )

    def _since(self) -> float:
        return round(self._read_at, 6)


def _name(service: Service, one: Server) -> dict[str, Any]:
    fields = {k: v for k, v in service.fields.items() if k != "scheduler"}
    return fields | {"server": one.address, "server_port": one.port}
