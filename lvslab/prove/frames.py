"""What is read of an Ethernet frame: ARP, and TCP over IPv4, in an IPIP tunnel or not. Pure."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

BROADCAST = "ff:ff:ff:ff:ff:ff"
REQUEST, REPLY = 1, 2
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
_ARP, _IPV4 = 0x0806, 0x0800
_TCP, _IPIP = 6, 4

#: Address and port.
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Arp:
    """RFC 826. ``sender`` claims to have ``sender_mac``."""

    opcode: int
    sender: str
    sender_mac: str
    target: str
    #: In a request: nothing that anyone reads; lvslab marks its own questions there.
    target_mac: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment; ``payload`` octets long behind its headers."""

    source: Endpoint
    target: Endpoint
    flags: int
    payload: int
    ttl: int
    #: The destination of the outer header where it came in a tunnel (IPIP, RFC 2003).
    tunnel: str | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as one node saw it: in, out, or on its way to somebody else."""

    t: float
    source_mac: str
    target_mac: str
    arp: Arp | None = None
    tcp: Segment | None = None


def frame(t: float, raw: bytes) -> Frame:
    """Read a frame; what it is no more of than Ethernet has neither ``arp`` nor ``tcp``."""
    if len(raw) < 14:
        return Frame(t, "", "")
    target, source = raw[:6].hex(":"), raw[6:12].hex(":")
    (kind,) = struct.unpack_from("!H", raw, 12)
    if kind == _ARP:
        return Frame(t, source, target, arp=_arp(raw[14:]))
    if kind == _IPV4:
        return Frame(t, source, target, tcp=_ip(raw[14:], None))
    return Frame(t, source, target)


def _arp(raw: bytes) -> Arp | None:
    # Ethernet and IPv4 only: 6 and 4 octets.
    if len(raw) < 28 or raw[:6] != b"\0\1\x08\0\6\4":
        return None
    opcode, sender_mac, sender, target_mac, target = struct.unpack_from("!H6s4s6s4s", raw, 6)
    return Arp(
        opcode,
        socket.inet_ntoa(sender),
        sender_mac.hex(":"),
        socket.inet_ntoa(target),
        target_mac.hex(":"),
    )


def _ip(raw: bytes, tunnel: str | None) -> Segment | None:
    if len(raw) < 20 or raw[0] >> 4 != 4:
        return None
    size = (raw[0] & 0x0F) * 4
    (length,) = struct.unpack_from("!H", raw, 2)
    ttl, protocol = raw[8], raw[9]
    source, target = socket.inet_ntoa(raw[12:16]), socket.inet_ntoa(raw[16:20])
    body = raw[size:]
    if protocol == _IPIP and tunnel is None:
        return _ip(body, target)
    # Only the first fragment has ports.
    if protocol != _TCP or len(body) < 14 or struct.unpack_from("!H", raw, 6)[0] & 0x1FFF:
        return None
    from_port, to_port = struct.unpack_from("!HH", body)
    header = (body[12] >> 4) * 4
    return Segment(
        (source, from_port),
        (target, to_port),
        body[13],
        max(0, length - size - header),
        ttl,
        tunnel,
    )
