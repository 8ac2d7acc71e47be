"""What is spoken at a port of the lab's real servers: HTTP, DNS, or plain datagrams. Pure.

A real server has one program for each, and no two can have one port: so a port is a DNS port on
all of them or on none, over UDP and over TCP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from lvslab.topology.spec import CheckSpec, PoolMember, TopologySpec, VirtualServerSpec

#: ``HTTP`` and ``DNS`` over the virtual server's own protocol; ``UDP``: a datagram, and who got it.
Language = Literal["HTTP", "DNS", "UDP"]

#: The checks that send a datagram.
UDP_CHECKS = ("UDP_CHECK", "DNS_CHECK")
#: Where DNS is when nothing says otherwise (RFC 1035 section 4.2).
_DOMAIN = 53


def asked_port(member: PoolMember) -> int:
    """Return the port that a member's check asks."""
    check = member.check
    return check.connect_port if check is not None and check.connect_port else member.port


def dns_ports(servers: Iterable[VirtualServerSpec]) -> frozenset[int]:
    """Return the ports at which a DNS server answers.

    Those that a DNS_CHECK asks, and those behind a UDP virtual server on port 53, unless a
    UDP_CHECK there waits for something that no DNS server says.
    """
    asked: set[int] = set()
    usual: set[int] = set()
    other: set[int] = set()
    for vs in servers:
        if vs.protocol == "UDP" and vs.port == _DOMAIN:
            usual |= {m.port for m in vs.members}
        for member in vs.members:
            if member.check is None:
                continue
            if member.check.kind == "DNS_CHECK":
                asked.add(asked_port(member))
            elif _wants_no_dns(member.check):
                other.add(asked_port(member))
    return frozenset(asked | (usual - other))


def language(spec: TopologySpec, vs: VirtualServerSpec) -> Language:
    """Return what clients speak to a virtual server."""
    if dns_ports(spec.virtual_servers) & {m.port for m in vs.members}:
        return "DNS"
    return "UDP" if vs.protocol == "UDP" else "HTTP"


def asked_language(spec: TopologySpec, vs: VirtualServerSpec, member: PoolMember) -> Language:
    """Return what the program speaks that a member's check asks; it need not be who serves.

    A script, and no check at all, are taken to be about what is served.
    """
    check = member.check
    if check is None or check.kind == "MISC_CHECK":
        return language(spec, vs)
    if asked_port(member) in dns_ports(spec.virtual_servers):
        return "DNS"
    return "UDP" if check.kind in UDP_CHECKS else "HTTP"


def closed_to(member: PoolMember, dns: frozenset[int]) -> int | None:
    """Return the DNS port that a member's check asks in vain; None where it does not."""
    port, check = asked_port(member), member.check
    if check is None or port not in dns or check.kind in ("MISC_CHECK", "TCP_CHECK"):
        return None
    vain = check.kind != "DNS_CHECK" and (check.kind != "UDP_CHECK" or _wants_no_dns(check))
    return port if vain else None


def _wants_no_dns(check: CheckSpec) -> bool:
    """Say whether a UDP_CHECK fails at a DNS server: it wants certain octets, or sends no query."""
    if check.kind != "UDP_CHECK" or not check.require_reply:
        return False
    return isinstance(check.require_reply, str) or check.payload is None
