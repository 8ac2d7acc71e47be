"""rtnetlink on the wire (rtnetlink(7)): dumps, requests, and what a message says in words."""

from __future__ import annotations

import errno
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NEW_LINK, DEL_LINK, GET_LINK = 16, 17, 18
NEW_ADDR, DEL_ADDR, GET_ADDR = 20, 21, 22
NEW_ROUTE, GET_ROUTE = 24, 26
NEW_NEIGH, DEL_NEIGH, GET_NEIGH = 28, 29, 30
NEW_RULE, GET_RULE = 32, 34
NEW_QDISC, GET_QDISC = 36, 38
GROUP_LINK, GROUP_NEIGH, GROUP_IPV4_IFADDR = 0x1, 0x4, 0x10

_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _CREATE = 0x100, 0x400
_HEADER = struct.Struct("=IHHII")
LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
ADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
NEIGH = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst, src, tos, table, protocol, scope, type, flags
QDISC = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info

IFF_UP, IFF_RUNNING = 0x1, 0x40
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU = 1, 3, 4
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL = 1, 2, 3
NDA_DST, NDA_LLADDR = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_CACHEINFO, RTA_TABLE = (
    1, 4, 5, 6, 7, 12, 15,
)  # fmt: skip
NUD_PERMANENT = 0x80
#: linux/netlink.h; NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE (linux/netfilter/nf_tables.h).
_NETLINK_NETFILTER, _GET_NFT_TABLE = 12, 10 << 8 | 1
NUD_NAMES = {
    0x01: "INCOMPLETE",
    0x02: "REACHABLE",
    0x04: "STALE",
    0x08: "DELAY",
    0x10: "PROBE",
    0x20: "FAILED",
    0x40: "NOARP",
    0x80: "PERMANENT",
}


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and payload of every message in what one recv returned."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def attributes(payload: bytes, offset: int) -> dict[int, bytes]:
    """Return the attributes that follow a message's fixed part."""
    found: dict[int, bytes] = {}
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("=HH", payload, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = payload[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute, padded."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def number(value: bytes) -> int:
    """Return an attribute's u32."""
    return int(struct.unpack_from("=I", value)[0])


def address(value: bytes) -> str:
    """Return an IPv4 or IPv6 address in words."""
    return socket.inet_ntop(socket.AF_INET if len(value) == 4 else socket.AF_INET6, value)


def mac(value: bytes) -> str:
    """Return a link address in words."""
    return value.hex(":")


def name(value: bytes) -> str:
    """Return a string attribute without its terminating zero."""
    return value.rstrip(b"\0").decode(errors="replace")


def _talk(
    kind: int, flags: int, payload: bytes, protocol: int = socket.NETLINK_ROUTE
) -> list[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as sock:
        sock.bind((0, 0))
        sock.settimeout(5.0)
        head = _HEADER.pack(_HEADER.size + len(payload), kind, flags | _REQUEST, 1, 0)
        sock.send(head + payload)
        answer: list[bytes] = []
        while True:
            for got, body in messages(sock.recv(1 << 18)):
                if got == _DONE:
                    return answer
                if got == _ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answer
                answer.append(body)


def dump(kind: int, family: int = socket.AF_UNSPEC) -> list[bytes]:
    """Return the payloads of a dump (GET_LINK, GET_ADDR...).

    What the kernel was not built for (a family, qdiscs) is empty. Raises OSError otherwise.
    """
    size = {GET_LINK: 16, GET_ADDR: 8, GET_NEIGH: 12, GET_QDISC: 20}.get(kind, 12)
    try:
        return _talk(kind, _DUMP, bytes([family]) + b"\0" * (size - 1))
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            return []
        raise


def nft_tables() -> list[str]:
    """Return the names of all nftables tables; none where this node may not ask."""
    try:
        found = _talk(_GET_NFT_TABLE, _DUMP, b"\0\0\0\0", _NETLINK_NETFILTER)
    except OSError as error:
        # EPERM without NET_ADMIN; EINVAL and its like from a kernel without nftables.
        if error.errno in (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            return []
        raise
    return sorted(name(attributes(payload, 4).get(1, b"")) for payload in found)


def put(kind: int, payload: bytes) -> None:
    """Create or replace what the payload describes. What is there already is no error.

    Raises OSError with the kernel's errno.
    """
    # RULE knows no replacement: the same rule twice would be two rules, so it must be new.
    flags = _CREATE | _ACK | (0x200 if kind == NEW_RULE else _REPLACE)
    try:
        _talk(kind, flags, payload)
    except FileExistsError:
        return


def links() -> dict[int, tuple[str, int, str, int]]:
    """Return every interface: index -> (name, IFF_ flags, MAC, MTU)."""
    found = {}
    for payload in dump(GET_LINK):
        _, _, index, flags, _ = LINK.unpack_from(payload)
        attrs = attributes(payload, LINK.size)
        found[index] = (
            name(attrs.get(IFLA_IFNAME, b"")),
            flags,
            mac(attrs.get(IFLA_ADDRESS, b"")),
            number(attrs.get(IFLA_MTU, b"\0\0\0\0")),
        )
    return found


def add_address(ip: str, prefix: int, interface: str) -> None:
    """Add an IPv4 address, as ``ip address add IP/PREFIX dev INTERFACE``. Raises OSError."""
    raw = socket.inet_pton(socket.AF_INET, ip)
    head = ADDR.pack(socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(interface))
    put(NEW_ADDR, head + attribute(IFA_LOCAL, raw) + attribute(IFA_ADDRESS, raw))


def delete_address(ip: str, prefix: int, interface: str) -> bool:
    """Delete an IPv4 address; return whether it was there. Raises OSError."""
    raw = socket.inet_pton(socket.AF_INET, ip)
    head = ADDR.pack(socket.AF_INET, prefix, 0, 0, socket.if_nametoindex(interface))
    try:
        _talk(DEL_ADDR, _ACK, head + attribute(IFA_LOCAL, raw))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return False
    return True
