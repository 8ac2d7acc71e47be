"""What the kernel says about links, addresses and the VIPs' neighbours, as it happens.

Independent of keepalived: an address event is the kernel's VIP really coming or going.
"""

from __future__ import annotations

import errno
import socket

from . import rtnl
from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Emit = Callable[..., None]


class Monitor:
    """Keeps the node's links, IPv4 addresses and VIP neighbours, and reports their changes."""

    def __init__(self, vips: list[str], emit: Emit) -> None:
        self._vips = frozenset(vips)
        self._emit = emit
        #: index -> name, flags, MAC
        self._links: dict[int, tuple[str, int, str]] = {}
        #: (index, "a.b.c.d/len")
        self._addresses: set[tuple[int, str]] = set()
        #: VIP -> (MAC, state)
        self.neighbours: dict[str, tuple[str, str]] = {}
        #: VIP -> the last MAC that it was known to have, whatever became of the entry since.
        self._last_mac: dict[str, str] = {}
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._sock.bind((0, rtnl.GROUP_LINK | rtnl.GROUP_NEIGH | rtnl.GROUP_IPV4_IFADDR))
        self._sock.setblocking(False)
        self.fd = self._sock.fileno()
        self._dump(report=False)

    def read(self, _events: int) -> None:
        """Report every change that is queued."""
        while True:
            try:
                data = self._sock.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                # The kernel dropped messages: what changed meanwhile is found by a new dump.
                self._emit("netlink.overrun")
                self._dump(report=True)
                continue
            t = now()
            for kind, payload in rtnl.messages(data):
                self._take(kind, payload, t, report=True)

    def links(self) -> dict[str, dict[str, Any]]:
        """Return {name: {up, running, mac}}."""
        return {
            name: {
                "up": bool(flags & rtnl.IFF_UP),
                "running": bool(flags & rtnl.IFF_RUNNING),
                "mac": mac,
            }
            for name, flags, mac in self._links.values()
        }

    def macs(self) -> list[str]:
        """Return the MAC addresses of the interfaces (not that of lo)."""
        return sorted({mac for _, _, mac in self._links.values() if mac.strip("0:")})

    def addresses(self) -> list[dict[str, str]]:
        """Return the IPv4 addresses, each with its interface."""
        return [
            {"interface": self._name(index), "address": cidr}
            for index, cidr in sorted(self._addresses)
        ]

    def vips_on(self, *, loopback: bool) -> list[str]:
        """Return the VIPs on lo, or those on any other interface."""
        return sorted(
            {
                ip
                for index, cidr in self._addresses
                if (ip := cidr.partition("/")[0]) in self._vips
                and (self._name(index) == "lo") == loopback
            }
        )

    def _name(self, index: int) -> str:
        return self._links[index][0] if index in self._links else str(index)

    def _dump(self, *, report: bool) -> None:
        t = now()
        before = set(self._addresses)
        seen: set[tuple[int, str]] = set()
        for payload in rtnl.dump(rtnl.GET_LINK):
            self._take(rtnl.NEW_LINK, payload, t, report=report)
        for payload in rtnl.dump(rtnl.GET_ADDR, socket.AF_INET):
            self._take(rtnl.NEW_ADDR, payload, t, report=report)
            seen.add(self._address(payload))
        for index, cidr in before - seen:
            self._address_event("addr.del", index, cidr, t, report=report)
        for payload in rtnl.dump(rtnl.GET_NEIGH, socket.AF_INET):
            self._take(rtnl.NEW_NEIGH, payload, t, report=report)

    def _take(self, kind: int, payload: bytes, t: float, *, report: bool) -> None:
        if kind == rtnl.NEW_LINK:
            self._link(payload, t, report=report)
        elif kind == rtnl.DEL_LINK:
            index = rtnl.LINK.unpack_from(payload)[2]
            gone = self._links.pop(index, None)
            if gone is not None and report:
                self._emit("link", t, interface=gone[0], up=False, running=False)
        elif kind in (rtnl.NEW_ADDR, rtnl.DEL_ADDR):
            event = "addr.add" if kind == rtnl.NEW_ADDR else "addr.del"
            self._address_event(event, *self._address(payload), t, report=report)
        elif kind in (rtnl.NEW_NEIGH, rtnl.DEL_NEIGH):
            self._neighbour(payload, t, gone=kind == rtnl.DEL_NEIGH, report=report)

    def _link(self, payload: bytes, t: float, *, report: bool) -> None:
        family, _, index, flags, _ = rtnl.LINK.unpack_from(payload)
        attrs = rtnl.attributes(payload, rtnl.LINK.size)
        if family != socket.AF_UNSPEC or rtnl.IFLA_IFNAME not in attrs:
            return  # a bridge's own account of its port
        name = rtnl.name(attrs[rtnl.IFLA_IFNAME])
        before = self._links.get(index)
        self._links[index] = (name, flags, rtnl.mac(attrs.get(rtnl.IFLA_ADDRESS, b"")))
        watched = rtnl.IFF_UP | rtnl.IFF_RUNNING
        if report and (before is None or (before[1] ^ flags) & watched):
            up, running = bool(flags & rtnl.IFF_UP), bool(flags & rtnl.IFF_RUNNING)
            self._emit("link", t, interface=name, up=up, running=running)

    def _address(self, payload: bytes) -> tuple[int, str]:
        _, prefix, _, _, index = rtnl.ADDR.unpack_from(payload)
        attrs = rtnl.attributes(payload, rtnl.ADDR.size)
        raw = attrs.get(rtnl.IFA_LOCAL) or attrs.get(rtnl.IFA_ADDRESS, b"\0" * 4)
        return index, f"{rtnl.address(raw)}/{prefix}"

    def _address_event(self, event: str, index: int, cidr: str, t: float, *, report: bool) -> None:
        known = (index, cidr) in self._addresses
        if known == (event == "addr.add"):
            return  # only a lifetime changed
        if event == "addr.add":
            self._addresses.add((index, cidr))
        else:
            self._addresses.discard((index, cidr))
        if report:
            vip = cidr.partition("/")[0] in self._vips
            self._emit(event, t, interface=self._name(index), address=cidr, vip=vip)

    def _neighbour(self, payload: bytes, t: float, *, gone: bool, report: bool) -> None:
        family, _, state, _, _ = rtnl.NEIGH.unpack_from(payload)
        attrs = rtnl.attributes(payload, rtnl.NEIGH.size)
        if family != socket.AF_INET or rtnl.NDA_DST not in attrs:
            return
        ip = rtnl.address(attrs[rtnl.NDA_DST])
        if ip not in self._vips:
            return
        entry = (
            rtnl.mac(attrs.get(rtnl.NDA_LLADDR, b"")),
            "GONE" if gone else rtnl.NUD_NAMES.get(state, str(state)),
        )
        if self.neighbours.get(ip) == entry:
            return
        self.neighbours[ip] = entry
        if gone:
            del self.neighbours[ip]
        # An entry that failed and was resolved again has moved, too: it had no MAC in between.
        was = self._last_mac.get(ip, entry[0]) if entry[0] else None
        if entry[0]:
            self._last_mac[ip] = entry[0]
        if report:
            moved = {"was": was} if was != entry[0] and was is not None else {}
            self._emit("neigh", t, address=ip, mac=entry[0], state=entry[1], **moved)
