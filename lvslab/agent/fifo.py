"""keepalived's own account of its transitions: vrrp_notify_fifo and lvs_notify_fifo.

Lines (keepalived.conf(5), "notify_fifo"): ``INSTANCE "VI_1" MASTER 100``,
``GROUP "G1" BACKUP 50``, ``VS [172.20.1.100]:tcp:80 UP``,
``RS [172.20.1.10]:tcp:80 [172.20.1.100]:tcp:80 DOWN``. They carry no time stamp: the time is
that of the read, which follows the write within the scheduler's latency.
"""

from __future__ import annotations

import os
import stat

from .proto import LineReader, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def server_name(text: str) -> str:
    """Turn keepalived's ``[172.20.1.10]:tcp:80`` into ``172.20.1.10:80``; others stay as they are.

    UDP is told by ``/udp`` at the end, since DNS has both. IPv6 addresses keep their brackets.
    """
    address, bracket, rest = text.partition("]")
    if not bracket or not address.startswith("["):
        return text
    address = address[1:]
    protocol, _, port = rest.removeprefix(":").rpartition(":")
    port += "/udp" if protocol == "udp" else ""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse(line: str) -> tuple[str, dict[str, Any]] | None:
    """Return the event's name and fields, or None for a line that is not understood."""
    kind, _, rest = line.strip().partition(" ")
    if kind in ("INSTANCE", "GROUP"):
        name, quote, tail = rest.lstrip().removeprefix('"').partition('"')
        words = tail.split()
        if not quote or not words:
            return None
        priority = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        field = "instance" if kind == "INSTANCE" else "group"
        event = "vrrp.state" if kind == "INSTANCE" else "vrrp.group"
        return event, {field: name, "state": words[0], "priority": priority}
    words = rest.split()
    if kind == "VS" and len(words) >= 2:
        return "lvs.vs", {"vs": server_name(words[0]), "state": words[-1]}
    if kind == "RS" and len(words) >= 3:
        rs, vs = server_name(words[0]), server_name(words[1])
        return "lvs.rs", {"vs": vs, "rs": rs, "state": words[-1]}
    return None


class Fifo:
    """One notify FIFO, opened for reading *and* writing.

    Read-write, because then keepalived's own non-blocking open for writing always finds a
    reader, and a keepalived that exits does not leave an end-of-file behind (fifo(7)).
    """

    def __init__(self, path: str, on_event: Callable[[str, float, dict[str, Any]], None]) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path) and not stat.S_ISFIFO(os.lstat(path).st_mode):
            os.unlink(path)
        if not os.path.lexists(path):
            os.mkfifo(path, 0o600)
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._reader = LineReader()
        self._on_event = on_event

    def read(self, _events: int) -> None:
        """Report every line that is there."""
        t = now()
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        for line in self._reader.feed(data):
            event = parse(line.decode(errors="replace"))
            if event is not None:
                self._on_event(event[0], t, event[1])
