"""What passes the director's interface: VRRP adverts and gratuitous ARP, in and out.

An AF_PACKET socket on ETH_P_ALL sees the node's own packets too. A classic BPF filter
(linux/filter.h) lets only these through: gratuitous ARP (sender address = target address,
RFC 5227) and VRRP adverts with priority 0 always; every advert only while it is asked for.
"""

from __future__ import annotations

import array
import binascii
import socket
import struct
import time

from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ETH_P_ALL = 0x0003
_ETH_P_ARP = 0x0806
_ETH_P_IP = 0x0800
_VRRP = 112
_PACKET_OUTGOING = 4
_SO_ATTACH_FILTER = 26
# asm-generic/socket.h; Python has no name for it.
_SO_TIMESTAMPNS = 35
#: Bytes kept of a packet: an advert with 100 VIPs has 442.
_SNAP = 512
#: Authentication types of VRRPv2 (RFC 2338, section 5.3.6).
_AUTH = {0: "none", 1: "PASS", 2: "AH"}
# Opcodes of linux/bpf_common.h.
_LD_H, _LD_W, _LD_B, _LD_B_IND = 0x28, 0x20, 0x30, 0x50
_LDX_IHL, _JEQ, _JEQ_X, _RET, _TAX = 0xB1, 0x15, 0x1D, 0x06, 0x07
#: A kernel time stamp older than this was taken before the wall clock was set: not used.
_MAX_AGE = 5.0
#: Seconds between two readings of a clock that count as one moment, and attempts at that: in
#: between the agent can lose the processor.
_SAME_MOMENT = 2e-5
_READINGS = 4


def program(*, every_advert: bool) -> list[tuple[int, int, int, int]]:
    """Return the filter as (code, jump if true, jump if false, k)."""
    return [
        (_LD_H, 0, 0, 12),
        (_JEQ, 0, 4, _ETH_P_ARP),
        (_LD_W, 0, 0, 28),  # sender's address
        (_TAX, 0, 0, 0),
        (_LD_W, 0, 0, 38),  # target's address
        (_JEQ_X, 6, 7, 0),
        (_JEQ, 0, 6, _ETH_P_IP),
        (_LD_B, 0, 0, 23),
        (_JEQ, 0, 4, _VRRP),
        (_LDX_IHL, 0, 0, 14),
        # Priority: the third byte behind the IP header (RFC 5798, section 5.1).
        (_LD_B_IND, 0, 0, 16),
        (_JEQ, 0, 0 if every_advert else 1, 0),
        (_RET, 0, 0, _SNAP),
        (_RET, 0, 0, 0),
    ]


def parse(frame: bytes, *, outgoing: bool) -> tuple[str, dict[str, Any]] | None:
    """Return event and fields of an Ethernet frame, or None where it is neither."""
    direction = "out" if outgoing else "in"
    if len(frame) < 42:
        return None
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == _ETH_P_ARP:
        sender_mac, sender, target = frame[22:28], frame[28:32], frame[38:42]
        if sender != target:
            return None
        return "arp.gratuitous", {
            "address": socket.inet_ntoa(sender),
            "mac": sender_mac.hex(":"),
            "dir": direction,
        }
    if kind != _ETH_P_IP or frame[23] != _VRRP:
        return None
    offset = 14 + (frame[14] & 0x0F) * 4
    if len(frame) < offset + 4:
        return None
    version_type, vrid, priority = frame[offset : offset + 3]
    return "vrrp.advert", {
        "vrid": vrid,
        "priority": priority,
        "src": socket.inet_ntoa(frame[26:30]),
        "dir": direction,
        "version": version_type >> 4,
        **_content(frame, offset),
    }


def _content(frame: bytes, offset: int) -> dict[str, Any]:
    """Return what two speakers must agree on; ``offset`` is where VRRP begins.

    RFC 2338 (version 2, with authentication), RFC 5798 (version 3). A password is not told,
    only something by which two can be seen to differ.
    """
    if len(frame) < offset + 8:
        return {}
    count, kind, interval = frame[offset + 3], frame[offset + 4], frame[offset + 5]
    end = offset + 8 + 4 * count
    found: dict[str, Any] = {"dst": socket.inet_ntoa(frame[30:34])}
    if frame[offset] >> 4 == 2:
        found["interval"] = float(interval)
        found["auth"] = _AUTH.get(kind, str(kind))
        if kind == 1:
            found["auth"] += f"/{binascii.crc32(frame[end : end + 8]):08x}"
    else:
        found["interval"] = ((kind & 0x0F) << 8 | interval) / 100
    if len(frame) >= end:
        addresses = range(offset + 8, end, 4)
        found["vips"] = [socket.inet_ntoa(frame[at : at + 4]) for at in addresses]
    return found


class Sniffer:
    """Reports what passes one interface."""

    def __init__(
        self, interface: str, on_event: Callable[[str, float, dict[str, Any]], None]
    ) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.watch(every_advert=False)
        # Bound (and so begun) only now: nothing gets in before the filter is there.
        self._sock.bind((interface, _ETH_P_ALL))
        self.fd = self._sock.fileno()
        self._on_event = on_event

    def watch(self, *, every_advert: bool) -> None:
        """Let every advert through, or only those with priority 0."""
        code = b"".join(struct.pack("=HBBI", *i) for i in program(every_advert=every_advert))
        filters = array.array("B", code)
        address, size = filters.buffer_info()
        self._sock.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", size // 8, address)
        )

    def read(self, _events: int) -> None:
        """Report every packet that is queued."""
        while True:
            try:
                frame, ancillary, _, source = self._sock.recvmsg(_SNAP, 64)
            except BlockingIOError:
                return
            except OSError:
                continue  # ENETDOWN, once, when the interface went down: netlink reports that
            event = parse(frame, outgoing=source[2] == _PACKET_OUTGOING)
            if event is not None:
                self._on_event(event[0], _stamp(ancillary), event[1])


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return when the packet passed, on CLOCK_MONOTONIC.

    The kernel stamps with the wall clock, which can be set at any time; it is only used for
    the packet's age, and only where that is plausible.
    """
    t, wall = _both_clocks()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack_from("@qq", data)
            age: float = wall - (seconds + nanoseconds / 1e9)
            if 0 <= age <= _MAX_AGE:
                return t - age
    return t


def _both_clocks() -> tuple[float, float]:
    """Return CLOCK_MONOTONIC and the wall clock, read in the same moment."""
    readings = []
    for _ in range(_READINGS):
        before = now()
        wall = time.time()
        after = now()
        readings.append((after - before, after, wall))
        if after - before < _SAME_MOMENT:
            break
    _, t, wall = min(readings)
    return t, wall
