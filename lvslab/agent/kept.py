"""The probe over connections that last: one to each target, requests on the same schedule.

HTTP alone, with TLS or without: a datagram has no connection, and DNS over TCP is not asked so.

``kept``: a client with a connection pool. A connection that ends, or on which a request was not
answered in time, is given up, and the next request opens another. ``stream``: one connection
for all of it, to see whether it survives; once it has ended every request has failed.

Requests are sent when they are due, behind those not answered yet (HTTP pipelining, RFC 9112
section 9.3.2): the schedule waits for no answer here either.
"""

from __future__ import annotations

import errno
import json
import select
import socket
from collections import deque

from . import fetch, probe
from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Asked:
    """One request on a connection."""

    __slots__ = ("due", "limit", "reported", "seq", "start", "target")

    def __init__(self, seq: int, target: int, due: float, deadline: float) -> None:
        self.seq = seq
        self.target = target
        self.due = due
        self.start = now()
        self.limit = self.start + deadline
        self.reported = False


class _Connection:
    """One connection to a target."""

    def __init__(self, target: int, number: int, address: tuple[str, int]) -> None:
        self.target = target
        #: Which one to this target, from 1.
        self.number = number
        self.opened = now()
        self.connected = False
        #: TLS is in the socket: its handshake has begun.
        self.wrapped = False
        self.sending = b""
        self.data = b""
        self.asked: deque[_Asked] = deque()
        self.sock = socket.socket(
            socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self.sock.connect_ex(address)
        self.failed = 0 if code in (0, errno.EINPROGRESS) else code


class Kept(probe.Probe):
    """The child's work over connections that last."""

    def __init__(self, node: str, order: dict[str, Any], out: int, control: int) -> None:
        super().__init__(node, order, out, control)
        self._once = order["connections"] == "stream"
        self._asking = [fetch.keeping(t["vip"], t.get("path", "/")) for t in order["targets"]]
        self._open: dict[int, _Connection] = {}
        self._numbers = [0] * len(self._targets)

    def _busy(self) -> bool:
        return any(not a.reported for c in self._open.values() for a in c.asked)

    def _waiting(self) -> list[float]:
        found = []
        for connection in self._open.values():
            first = next((a for a in connection.asked if not a.reported), None)
            if first is not None:
                found.append(self._until(first.limit))
        return found

    def _start(self, seq: int, due: float) -> None:
        target = seq % len(self._targets)
        asked = _Asked(seq, target, due, self._deadline)
        self._max_late = max(self._max_late, asked.start - due)
        self._sent += 1
        connection = self._open.get(target)
        if connection is None:
            if self._once and self._numbers[target]:
                self._report(asked, now(), "reset", "", "the connection has ended")
                return
            self._numbers[target] += 1
            connection = _Connection(target, self._numbers[target], self._targets[target])
            self._open[target] = connection
            if not connection.failed:
                fd = connection.sock.fileno()
                self._flying[fd] = connection
                self._epoll.register(fd, select.EPOLLOUT | select.EPOLLIN)
        connection.asked.append(asked)
        connection.sending += self._asking[target]
        if connection.failed:
            self._end(connection, *fetch.failure(connection.failed))
        elif connection.connected:
            self._send(connection)

    def _advance(self, connection: Any) -> None:
        try:
            if not connection.connected:
                code = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    self._end(connection, *fetch.failure(code))
                    return
                if self._secure[connection.target] and not self._shaken(connection):
                    return
                connection.connected = True
                self._send(connection)
                return
            if connection.sending:
                self._send(connection)
                if connection.sock.fileno() < 0:
                    return  # that ended it
            piece = connection.sock.recv(65536)
        except self._again:
            return
        except OSError as error:
            self._end(connection, *fetch.failed(error))
            return
        connection.data += piece
        self._answers(connection)
        if not piece:
            self._end(connection, "reset", "the server closed it")

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.sock.send(connection.sending)
        except self._again:
            sent = 0
        except OSError as error:
            self._end(connection, *fetch.failed(error))
            return
        connection.sending = connection.sending[sent:]
        wanted = select.EPOLLIN | (select.EPOLLOUT if connection.sending else 0)
        self._epoll.modify(connection.sock.fileno(), wanted)

    def _answers(self, connection: _Connection) -> None:
        while connection.asked:
            end = fetch.length(connection.data)
            if end is None:
                return
            judged = fetch.answer(connection.data[:end], ended=True)
            connection.data = connection.data[end:]
            asked = connection.asked.popleft()
            if judged is not None and not asked.reported:
                result, server, detail = judged
                t = now()
                late = result == "ok" and t > asked.limit
                self._report(asked, t, "late" if late else result, server, detail)

    def _expire(self) -> None:
        t = now()
        for connection in list(self._open.values()):
            overdue = False
            for asked in connection.asked:
                if not asked.reported and self._until(asked.limit) <= t:
                    self._report(asked, asked.limit, "timeout", "", "")
                    overdue = True
            if overdue and not self._once:
                connection.sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, probe.RESET_ON_CLOSE
                )
                self._end(connection, "timeout", "given up")

    def _end(self, connection: _Connection, result: str, detail: str) -> None:
        """Close a connection: what was asked on it and not answered has failed."""
        t = now()
        for asked in connection.asked:
            if not asked.reported:
                late = t > asked.limit
                self._report(asked, min(t, asked.limit), "timeout" if late else result, "", detail)
        self._forget(connection.sock.fileno())
        connection.sock.close()
        del self._open[connection.target]
        self._lines.append(
            f'{{"t":{t:.6f},"node":{self._node},"ev":"probe.connection","probe":{self._name},'
            f'"target":"{self._keys[connection.target]}","number":{connection.number},"result":"{result}",'
            f'"detail":{json.dumps(detail)},"lasted":{t - connection.opened:.6f}}}\n'
        )
        if len(self._lines) == 1:
            self._flush_at = now() + probe.HOLD
