"""What real servers have to answer because of the checks: over TLS or not, with which status. Pure.

A place is a real server and a port of it. Everything that asks there, asks in one way: a port
speaks TLS or it does not, and a path has one status.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from lvslab.conf.errors import ConfError, Position
from lvslab.conf.lexer import decomment
from lvslab.conf.tree import build
from lvslab.conf.values import status_codes
from lvslab.topology.spec import ASKING, CheckSpec, PoolMember, TopologySpec, VirtualServerSpec
from lvslab.topology.spoken import UDP_CHECKS, asked_port, language

#: A real server, by name or by address, and a port of it.
Place = tuple[str, int]
#: What the lab's pages are answered with where no check wants anything else.
OK = 200
#: Schedulers that send one client's requests, one after the other, to every real server. sed
#: and nq count open connections only, lblc, dh, sh and mh hash, fo and ovf prefer one. Of UDP a
#: connection is open for 300 s after its datagram (ip_vs_proto_udp.c): lc and wlc send all of it to
#: a real server that comes back, until it has as many as the others.
_SPREADING = frozenset({"rr", "wrr", "lc", "wlc"})
_SPREADING_UDP = frozenset({"rr", "wrr"})
#: Asked for by clients where "/" is not answered with 200: any path has the same page.
_OTHER = "/lvslab"


def checked_at(member: PoolMember) -> Place | None:
    """Return where a member's check connects to, over TCP; None where it does not connect."""
    check = member.check
    if check is None or check.kind in ("MISC_CHECK", *UDP_CHECKS):
        return None
    return member.server, asked_port(member)


def serves_at(vs: VirtualServerSpec) -> frozenset[Place]:
    """Return where a virtual server's requests are answered, by its sorry server, too."""
    places = {(m.server, m.port) for m in vs.members}
    if vs.sorry_server is not None:
        places.add((vs.sorry_server.server, vs.sorry_server.port))
    return frozenset(places)


def spread(tls: Iterable[Place], together: Iterable[Collection[Place]]) -> frozenset[Place]:
    """Return ``tls``, and each place that has to speak TLS because one beside it does.

    ``together``: places among which one client's requests are shared out. It either speaks TLS
    to all of them or to none.
    """
    found = set(tls)
    groups = [set(group) for group in together]
    while True:
        more = {place for group in groups if group & found for place in group} - found
        if not more:
            return frozenset(found)
        found |= more


def tls_places(servers: Iterable[VirtualServerSpec]) -> frozenset[Place]:
    """Return where TLS is spoken: where an SSL_GET connects to, and what that brings with it."""
    servers = tuple(servers)
    asked = {
        place
        for vs in servers
        for m in vs.members
        if m.check is not None and m.check.kind == "SSL_GET" and (place := checked_at(m))
    }
    return spread(asked, (serves_at(vs) for vs in servers if vs.protocol == "TCP"))


def is_secure(servers: Iterable[VirtualServerSpec], vs: VirtualServerSpec) -> bool:
    """Say whether clients of a virtual server speak TLS."""
    return vs.protocol == "TCP" and not serves_at(vs).isdisjoint(tls_places(servers))


def asks(check: CheckSpec) -> Iterator[tuple[str, frozenset[int]]]:
    """Yield each path that a check asks for, and the statuses that are healthy.

    Also of the URLs after the first, which a topology has in ``raw`` only.
    """
    if check.kind not in ASKING:
        return
    code = [] if check.status_code is None else [str(check.status_code)]
    yield check.path, status_codes(code)
    if "url" not in check.raw:
        return
    lines = check.raw.splitlines()
    try:
        root = build((decomment(t, Position("raw", n, 1)) for n, t in enumerate(lines, 1)), [])
    except ConfError:
        return  # What keepalived makes of it, keepalived says.
    for url in root.all("url"):
        path = url.last("path")
        if path is not None and path.args:
            codes = [word for line in url.all("status_code") for word in line.args]
            yield path.arg(), status_codes(codes)


def statuses(servers: Iterable[VirtualServerSpec]) -> Mapping[Place, Mapping[str, int]]:
    """Return what each path is answered with, where that is not 200.

    Of what all its checks take: 200 if they do, else the lowest.
    """
    wanted: dict[Place, dict[str, frozenset[int]]] = {}
    for vs in servers:
        for member in vs.members:
            place = checked_at(member)
            if place is None or member.check is None:
                continue
            paths = wanted.setdefault(place, {})
            for path, codes in asks(member.check):
                both = paths.get(path, codes) & codes
                paths[path] = both or paths[path]
    return {
        place: odd
        for place, paths in wanted.items()
        if (odd := {path: min(codes) for path, codes in paths.items() if OK not in codes})
    }


def path_for(servers: Iterable[VirtualServerSpec], vs: VirtualServerSpec) -> str:
    """Return the path that clients ask a virtual server for: one that is answered with 200.

    That of its first check if it can be.
    """
    odd = statuses(servers)
    taken = {path for place in serves_at(vs) for path in odd.get(place, ())}
    wanted = (m.check.path for m in vs.members if m.check and m.check.kind in ASKING)
    return path_at(taken, *wanted)


def request_to(spec: TopologySpec, vs: VirtualServerSpec) -> dict[str, Any]:
    """Return how a client's agent asks a virtual server (docs/agent.md): where, for what, how.

    Once, by ``request``, or again and again as a target of its probe. Whoever answers says who
    it is.
    """
    servers, spoken = spec.virtual_servers, language(spec, vs)
    asked: dict[str, Any] = {"vip": str(vs.vip), "port": vs.port}
    if spoken != "HTTP":
        return asked | {"language": spoken, "protocol": vs.protocol}
    asked["path"] = path_for(servers, vs)
    return asked | ({"tls": True} if is_secure(servers, vs) else {})


def spreads(vs: VirtualServerSpec) -> bool:
    """Say whether one client, asking often enough, is answered by every real server."""
    spreading = _SPREADING_UDP if vs.protocol == "UDP" else _SPREADING
    return vs.scheduler in spreading and not vs.persistence_timeout


def path_at(odd: Collection[str], *wanted: str) -> str:
    """Return the first wanted path, else "/", else another, that is none of the ``odd`` ones."""
    other = _OTHER
    while other in odd:
        other += "-"
    return next((path for path in (*wanted, "/") if path not in odd), other)
