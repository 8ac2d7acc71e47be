"""IPVS over generic netlink: the table as the kernel has it, without a fork of ipvsadm.

Numbers are those of linux/genetlink.h and linux/ip_vs.h. IPVS sends no notifications, so whoever
wants changes has to ask again (ipvs_watch).
"""

from __future__ import annotations

import os
import socket
import struct

from . import rtnl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_NETLINK_GENERIC = 16
_GENL_ID_CTRL, _CTRL_GETFAMILY = 16, 3
_CTRL_FAMILY_ID, _CTRL_FAMILY_NAME = 1, 2
GET_SERVICE, GET_DEST = 4, 8
ATTR_SERVICE, ATTR_DEST = 1, 2
_SVC_AF, _SVC_PROTOCOL, _SVC_ADDR, _SVC_PORT, _SVC_FWMARK, _SVC_SCHEDULER = 1, 2, 3, 4, 5, 6
_DEST_ADDR, _DEST_PORT, _DEST_FORWARD, _DEST_WEIGHT = 1, 2, 3, 4
_DEST_ACTIVE, _DEST_INACTIVE, _DEST_STATS, _DEST_FAMILY = 7, 8, 10, 11
_STATS_CONNECTIONS = 1
_HEADER = struct.Struct("=IHHII")
_GENL = struct.Struct("=BBxx")
_ATTR = struct.Struct("=HH")
_ERROR, _DONE = 2, 3
_REQUEST, _DUMP = 0x1, 0x300
#: struct timeval of SO_RCVTIMEO: the kernel answers in the same system call, so this never passes.
_PATIENCE = struct.pack("@qq", 2, 0)
_BUFFER = 1 << 16
_FAMILY = "IPVS"
#: Where the nested attributes of a service or a destination begin in a message's payload.
_NEST = _GENL.size + _ATTR.size
#: As /proc/net/ip_vs writes them (IP_VS_CONN_F_FWD_MASK is 7).
_FORWARDS = ("Masq", "Local", "Tunnel", "Route", "Bypass")
_PROTOCOLS = {6: "TCP", 17: "UDP", 132: "SCTP"}
#: How much of a service's message never changes by traffic: AF 8 octets, PROTOCOL 8, ADDR 20,
#: PORT 8 (or AF 8, FWMARK 8), then its scheduler's name and flags (ip_vs_genl_fill_service(),
#: net/netfilter/ipvs/ip_vs_ctl.c).
_SERVICE_FIXED = 52
_ACTIVE_KIND = struct.pack("=H", _DEST_ACTIVE)
_REMEMBERED = 1024


class Service:
    """A virtual server: what names it to the kernel, and in words."""

    __slots__ = ("family", "fields", "ident")

    def __init__(self, ident: bytes, family: int, fields: dict[str, Any]) -> None:
        #: Its own attributes, as a request for its destinations has to name it.
        self.ident = ident
        self.family = family
        #: vip, port, protocol, scheduler (and fwmark): as ``ipvs.read`` has them.
        self.fields = fields


class Server:
    """A real server in the table of a virtual server."""

    __slots__ = ("address", "forward", "port", "weight")

    def __init__(self, address: str, port: int, forward: str, weight: int) -> None:
        self.address = address
        self.port = port
        self.forward = forward
        self.weight = weight

    def fields(self) -> dict[str, Any]:
        """Return it as ``ipvs.read`` has it, without its connections."""
        return {name: getattr(self, name) for name in ("address", "port", "forward", "weight")}


class Reader:
    """Reads messages; what was seen before costs one look-up."""

    def __init__(self) -> None:
        self._services: dict[bytes, Service] = {}
        self._servers: dict[tuple[int, bytes], Server] = {}
        #: Where the connections begin in a destination's message. What is before them changes by
        #: configuration only (ip_vs_genl_fill_dest()); how much that is depends on the kernel.
        self._active_at = 0

    def service(self, payload: bytes) -> Service:
        """Return the virtual server of one message of a GET_SERVICE dump."""
        head = payload[_NEST : _NEST + _SERVICE_FIXED]
        found = self._services.get(head)
        if found is None:
            found = _service(payload)
            if len(found.ident) < len(head):
                _remember(self._services, head, found)
        return found

    def key(self, payload: bytes) -> bytes:
        """Return the part of a message of a GET_DEST dump that traffic does not change."""
        at = self._active_at
        if payload[at + 2 : at + 4] != _ACTIVE_KIND:
            at = self._active_at = _find(payload, _DEST_ACTIVE)
        return payload[_NEST:at]

    def server(self, family: int, key: bytes, payload: bytes) -> Server:
        """Return the real server that a message is about; ``key`` is that message's."""
        found = self._servers.get((family, key))
        if found is None:
            found = _server(payload, family)
            _remember(self._servers, (family, key), found)
        return found


def _remember(cache: dict[Any, Any], key: object, value: object) -> None:
    if len(cache) >= _REMEMBERED:
        cache.clear()
    cache[key] = value


def _service(payload: bytes) -> Service:
    attrs: dict[int, bytes] = {}
    at = end = _NEST
    while at + _ATTR.size <= len(payload):
        length, kind = _ATTR.unpack_from(payload, at)
        if length < _ATTR.size:
            break
        attrs[kind] = payload[at + _ATTR.size : at + length]
        if kind == _SVC_SCHEDULER:
            break  # what follows does not name it
        at += (length + 3) & ~3
        end = at
    family = _u16(attrs.get(_SVC_AF, b"\0\0"))
    fields: dict[str, Any] = {"vip": None, "port": 0, "protocol": "FWM"}
    if _SVC_FWMARK in attrs:
        fields["fwmark"] = rtnl.number(attrs[_SVC_FWMARK])
    else:
        protocol = _u16(attrs[_SVC_PROTOCOL])
        fields["vip"] = _address(family, attrs[_SVC_ADDR])
        fields["port"] = _port(attrs[_SVC_PORT])
        fields["protocol"] = _PROTOCOLS.get(protocol, str(protocol))
    fields["scheduler"] = rtnl.name(attrs.get(_SVC_SCHEDULER, b""))
    return Service(payload[_NEST:end], family, fields)


def _server(payload: bytes, family: int) -> Server:
    attrs = rtnl.attributes(payload, _NEST)
    if _DEST_FAMILY in attrs:  # with tunnels it may differ from the service's
        family = _u16(attrs[_DEST_FAMILY])
    forward = rtnl.number(attrs[_DEST_FORWARD]) & 7
    return Server(
        _address(family, attrs[_DEST_ADDR]),
        _port(attrs[_DEST_PORT]),
        _FORWARDS[forward] if forward < len(_FORWARDS) else str(forward),
        int(struct.unpack_from("=i", attrs[_DEST_WEIGHT])[0]),
    )


def connections(payload: bytes) -> dict[str, int]:
    """Return a real server's connections: active, inactive, and all since it is in the table."""
    attrs = rtnl.attributes(payload, _NEST)
    stats = rtnl.attributes(attrs.get(_DEST_STATS, b""), 0)
    nothing = b"\0\0\0\0"
    return {
        "active": rtnl.number(attrs.get(_DEST_ACTIVE, nothing)),
        "inactive": rtnl.number(attrs.get(_DEST_INACTIVE, nothing)),
        "connections": rtnl.number(stats.get(_STATS_CONNECTIONS, nothing)),
    }


class Socket:
    """A generic netlink socket that asks IPVS. Raises OSError where the kernel has none."""

    def __init__(self) -> None:
        # One for all: a new one of this size each time is half of the work of a poll.
        self._buffer = bytearray(_BUFFER)
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
            self._sock.bind((0, 0))
            self._family = _GENL_ID_CTRL
            name = rtnl.attribute(_CTRL_FAMILY_NAME, _FAMILY.encode() + b"\0")
            (answer,) = self._ask(_CTRL_GETFAMILY, 0, name)
            self._family = _u16(rtnl.attributes(answer, _GENL.size)[_CTRL_FAMILY_ID])
        except BaseException:
            self._sock.close()
            raise

    def services(self) -> list[bytes]:
        """Return the payloads of a dump of the virtual servers. Raises OSError."""
        return self._ask(GET_SERVICE, _DUMP, b"")

    def servers(self, of: bytes) -> list[bytes]:
        """Return the payloads of a dump of one virtual server's real servers. Raises OSError."""
        return self._ask(GET_DEST, _DUMP, rtnl.attribute(ATTR_SERVICE, of))

    def close(self) -> None:
        """Close it."""
        self._sock.close()

    def _ask(self, command: int, flags: int, attrs: bytes) -> list[bytes]:
        size = _HEADER.size + _GENL.size + len(attrs)
        head = _HEADER.pack(size, self._family, flags | _REQUEST, 1, 0)
        self._sock.send(head + _GENL.pack(command, 1) + attrs)
        answer: list[bytes] = []
        while True:
            length = self._sock.recv_into(self._buffer)
            for kind, payload in rtnl.messages(bytes(self._buffer[:length])):
                if kind == _DONE:
                    return answer
                if kind == _ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    raise OSError(code, os.strerror(code))
                answer.append(payload)
                if not flags:
                    return answer


def table(pairs: Iterable[tuple[Service, Iterable[Server]]]) -> list[dict[str, Any]]:
    """Return virtual servers and their real servers in words."""
    return [of.fields | {"servers": [one.fields() for one in servers]} for of, servers in pairs]


def _find(payload: bytes, wanted: int) -> int:
    """Return where a nested attribute begins in a message; its end where it is not there."""
    at = _NEST
    while at + _ATTR.size <= len(payload):
        length, kind = _ATTR.unpack_from(payload, at)
        if kind == wanted or length < _ATTR.size:
            return at
        at += (length + 3) & ~3
    return len(payload)


def _u16(value: bytes) -> int:
    return int(struct.unpack_from("=H", value)[0])


def _port(value: bytes) -> int:
    return int.from_bytes(value[:2], "big")


def _address(family: int, value: bytes) -> str:
    # Always a union of 16 octets (nf_inet_addr).
    return rtnl.address(value[:4] if family == socket.AF_INET else value[:16])
