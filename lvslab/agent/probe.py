"""The probe: requests to the VIP on a fixed schedule that does not wait for answers.

Request k is due at t0 + k/rate on CLOCK_MONOTONIC: no drift, and a request that hangs
delays no other. Each has a new socket, a new port and ``deadline`` seconds from its own
start; it is watched for GRACE seconds more, to tell a late answer from none. How late the
*schedule* ran (start - due) is reported with each request: a probe that was starved must not
be read as an outage. What is said to a target is its language's (languages.py).

Sockets are closed as any client's: over HTTP the server closes first (``Connection: close``),
so no TIME_WAIT stays here, and IPVS sees an ordinary FIN. Only what was given up is reset
(SO_LINGER 0): a FIN retransmitted for minutes would end up at another director, in the
middle of a later measurement.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import select
import socket
import struct
from collections import deque

from . import fetch, languages
from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds past the deadline for which an answer still counts as ``late`` and not ``timeout``.
GRACE = 1.0
#: A request that is overdue by more is not made up for: a burst would itself be a load.
SKIP_AFTER = 1.0
#: Seconds from the order to the first request.
LEAD = 0.05
#: Lines are held for so long at most, to be written together.
HOLD = 0.1
_HELD_BYTES = 3500
_BACKLOG = 1 << 20
MAX_RATE = 100.0
#: A connection a request, one that is kept as long as it works, or one alone (kept.py).
CONNECTIONS = ("short", "kept", "stream")
#: SO_LINGER 0: closing resets the connection.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def due_at(t0: float, rate: float, k: int) -> float:
    """Return when request ``k`` (from 0) is due."""
    return t0 + k / rate


def next_index(t0: float, rate: float, k: int, t: float) -> int:
    """Return the next request to make at ``t``: ``k``, or later where ``k`` is long overdue."""
    if t - due_at(t0, rate, k) <= SKIP_AFTER:
        return k
    k = int((t - t0) * rate)
    return k if due_at(t0, rate, k) >= t else k + 1


#: Below the kernel's own range for outgoing connections (ip_local_port_range): ports that
#: nobody else takes.
PORTS = range(1025, 32768)


def source_port(t0: float, rate: float, seq: int) -> int:
    """Return the port that request ``seq`` comes from; each is used again as late as possible.

    One client that asks one VIP fifty times a second stands for many that ask now and then.
    Left to the kernel, which shuffles its choice every 10 s, its ports come again within the
    minutes for which IPVS remembers a connection (60 s after a SYN, 120 s after a FIN, 300 s after
    a datagram: ip_vs_proto_tcp.c, ip_vs_proto_udp.c): with ``expire_nodest_conn`` 0 a request from
    such a port goes to a real server that is no longer in the table, and nowhere. A probe that
    follows another begins beyond its ports, by half as many: by more, all would come round sooner.
    """
    return PORTS[(int(t0 * 1.5 * rate) + seq) % len(PORTS)]


class _Request:
    __slots__ = (
        "data",
        "due",
        "limit",
        "reported",
        "seq",
        "sock",
        "start",
        "target",
        "wrapped",
        "written",
    )

    def __init__(self, seq: int, target: int, due: float, deadline: float, kind: int) -> None:
        self.seq = seq
        self.target = target
        self.due = due
        self.sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self.data = b""
        #: TLS is in the socket: its handshake has begun.
        self.wrapped = False
        self.written = False
        self.reported = False
        self.start = now()
        self.limit = self.start + deadline


class Probe:
    """The child's work: see :meth:`run`."""

    def __init__(self, node: str, order: dict[str, Any], out: int, control: int) -> None:
        self._out = out
        self._control = control
        self._rate = float(order["rate"])
        self._deadline = float(order["deadline"])
        self._t0 = float(order["t0"])
        self._node, self._name = json.dumps(node), json.dumps(order["probe"])
        self._targets = [(t["vip"], int(t["port"])) for t in order["targets"]]
        self._languages = [languages.of(t) for t in order["targets"]]
        self._keys = [languages.key(t) for t in order["targets"]]
        self._secure = [bool(t.get("tls")) for t in order["targets"]]
        #: What a socket raises that has to wait.
        self._again: tuple[type[OSError], ...] = (BlockingIOError,)
        self._tls: Any = fetch.tls_ready() if any(self._secure) else None
        if self._tls is not None:
            self._again += self._tls.WAITING
        self._epoll = select.epoll()
        self._flying: dict[int, Any] = {}
        self._order: deque[_Request] = deque()
        self._next = 0
        self._lines: list[str] = []
        self._flush_at = 0.0
        self._backlog = b""
        self._counts: dict[str, int] = {}
        self._sent = self._skipped = self._dropped = 0
        self._max_late = 0.0
        self._stopping = False

    def run(self) -> None:
        """Probe until the control descriptor closes, wait for what is under way, say it all."""
        os.set_blocking(self._out, False)
        self._epoll.register(self._control, select.EPOLLIN)
        while not self._stopping or self._busy():
            self._start_due()
            self._expire()
            t = now()
            if self._lines and t >= self._flush_at:
                self._flush()
            for fd, _ in self._epoll.poll(self._timeout(t)):
                if fd == self._control:
                    self._stopping = True
                    self._epoll.unregister(fd)
                else:
                    self._advance(self._flying[fd])
        self._flush()
        self._say_stopped()

    def _timeout(self, t: float) -> float:
        until = [] if self._stopping else [due_at(self._t0, self._rate, self._next)]
        until += self._waiting()
        if self._lines:
            until.append(self._flush_at)
        return max(0.0, min(until, default=t) - t)

    def _busy(self) -> bool:
        """Return whether a request is under way."""
        return bool(self._order)

    def _waiting(self) -> list[float]:
        """Return when something that is under way has to be given up."""
        return [self._until(self._order[0].limit)] if self._order else []

    def _until(self, limit: float) -> float:
        return limit if self._stopping else limit + GRACE

    def _start_due(self) -> None:
        while not self._stopping:
            t = now()
            k = next_index(self._t0, self._rate, self._next, t)
            self._skipped += k - self._next
            self._next = k
            due = due_at(self._t0, self._rate, k)
            if due > t:
                return
            self._next += 1
            self._start(k, due)

    def _start(self, seq: int, due: float) -> None:
        target = seq % len(self._targets)
        request = _Request(seq, target, due, self._deadline, self._languages[target].kind)
        self._max_late = max(self._max_late, request.start - due)
        self._sent += 1
        # A port that is taken all the same: the kernel chooses.
        with contextlib.suppress(OSError):
            request.sock.bind(("", source_port(self._t0, self._rate, seq)))
        code = request.sock.connect_ex(self._targets[target])
        if code not in (0, errno.EINPROGRESS):
            result, detail = fetch.failure(code)
            self._report(request, now(), result, "", detail)
            request.sock.close()
            return
        fd = request.sock.fileno()
        self._flying[fd] = request
        self._order.append(request)
        self._epoll.register(fd, select.EPOLLOUT)

    def _advance(self, request: _Request) -> None:
        sock, language = request.sock, self._languages[request.target]
        stream = language.kind == socket.SOCK_STREAM
        try:
            if not request.written:
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    self._fail(request, *fetch.failure(code))
                    return
                if self._secure[request.target]:
                    if not self._shaken(request):
                        return
                    sock = request.sock
                sock.send(language.octets(request.seq))
                request.written = True
                self._epoll.modify(sock.fileno(), select.EPOLLIN)
                return
            piece = sock.recv(language.most)
            ended = stream and not piece and (not request.wrapped or self._tls.ended(sock))
        except self._again:
            return
        except OSError as error:
            self._fail(request, *fetch.failed(error))
            return
        t = now()
        if not request.reported:
            request.data = request.data + piece if stream else piece
            judged = language.judge(request.data, request.seq, ended=not piece)
            if judged is not None:
                result, server, detail = judged
                if result == "ok" and t > request.limit:
                    result = "late"
                self._report(request, t, result, server, detail)
                ended = ended or language.closes_first
        if ended:
            self._close(request)

    def _shaken(self, request: Any) -> bool:
        """Go on with the handshake of TLS; return whether it is done. Raises OSError."""
        fd = request.sock.fileno()
        if not request.wrapped:
            # Where it cannot be put into the socket, that one is closed.
            self._forget(fd)
            request.sock = self._tls.wrapped(request.sock)
            request.wrapped = True
            self._flying[fd] = request
            self._epoll.register(fd, select.EPOLLOUT)
        wanted = self._tls.handshake(request.sock)
        if wanted:
            self._epoll.modify(fd, wanted)
        return not wanted

    def _fail(self, request: _Request, result: str, detail: str) -> None:
        t = now()
        if t > request.limit:
            result, t = "timeout", request.limit
        if not request.reported:
            self._report(request, t, result, "", detail)
        self._close(request)

    def _expire(self) -> None:
        t = now()
        while self._order:
            request = self._order[0]
            if request.sock.fileno() < 0:
                self._order.popleft()
            elif self._until(request.limit) <= t:
                if not request.reported:
                    self._report(request, request.limit, "timeout", "", "")
                request.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                self._close(request)
            else:
                return

    def _close(self, request: _Request) -> None:
        self._forget(request.sock.fileno())
        request.sock.close()

    def _forget(self, fd: int) -> None:
        """Listen to a descriptor no more, if it is listened to."""
        if self._flying.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def _report(self, request: Any, end: float, result: str, server: str, detail: str) -> None:
        request.reported = True
        self._counts[result] = self._counts.get(result, 0) + 1
        # By hand: three times as fast as json.dumps, and this is the probe's every request.
        self._lines.append(
            f'{{"t":{end:.6f},"node":{self._node},"ev":"probe.result","probe":{self._name},'
            f'"seq":{request.seq},"target":"{self._keys[request.target]}","due":{request.due:.6f},'
            f'"start":{request.start:.6f},"end":{end:.6f},"result":"{result}",'
            f'"server":{json.dumps(server) if server else "null"},'
            f'"detail":{json.dumps(detail) if detail else "null"}}}\n'
        )
        if len(self._lines) == 1:
            self._flush_at = now() + HOLD
        elif len(self._lines) * len(self._lines[0]) > _HELD_BYTES:
            self._flush()

    def _flush(self) -> None:
        data = self._backlog + "".join(self._lines).encode()
        self._lines.clear()
        try:
            written = os.write(self._out, data) if data else 0
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            self._stopping, written = True, len(data)
        self._backlog = data[written:]
        if len(self._backlog) > _BACKLOG:
            # Keep the head of the line that may be half written, give up whole lines behind it.
            head, _, rest = self._backlog.partition(b"\n")
            keep = rest[-_BACKLOG // 2 :].partition(b"\n")[2]
            self._dropped += rest.count(b"\n") - keep.count(b"\n")
            self._backlog = head + b"\n" + keep

    def _say_stopped(self) -> None:
        by_result = json.dumps(self._counts)
        line = (
            f'{{"t":{now():.6f},"node":{self._node},"ev":"probe.stopped","probe":{self._name},'
            f'"sent":{self._sent},"by_result":{by_result},"max_late":{self._max_late:.6f},'
            f'"skipped":{self._skipped},"dropped":{self._dropped}}}\n'
        )
        os.set_blocking(self._out, True)
        data = self._backlog + line.encode()
        while data:
            data = data[os.write(self._out, data) :]


def run(node: str, order: dict[str, Any], out: int, control: int) -> None:
    """Be the probe, in a process of its own, until ``control`` closes."""
    # Nothing here makes reference cycles, and a collection in the wrong moment is a late start.
    gc.disable()
    if order.get("connections", "short") == "short":
        Probe(node, order, out, control).run()
    else:
        from .kept import Kept

        Kept(node, order, out, control).run()
