"""Virtual servers: their pools, checks and quorum, and what forwarding or UDP rule out."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from lvslab.topology.context import Context
from lvslab.topology.models import Check, Member, VirtualServer
from lvslab.topology.problems import did_you_mean
from lvslab.topology.resolve_vrrp import Vips
from lvslab.topology.served import asks, checked_at, tls_places
from lvslab.topology.spec import CheckSpec, PoolMember, SorryServer, VirtualServerSpec
from lvslab.topology.spoken import UDP_CHECKS, closed_to, dns_ports
from lvslab.topology.yamltree import Mark, Path

_HTTP = {"path", "status_code", "digest", "virtualhost", "connect_port", "connect_timeout"}
#: Which keys of a check belong to which kind.
_OWN = {
    "HTTP_GET": _HTTP,
    "SSL_GET": _HTTP,
    "TCP_CHECK": {"connect_port", "connect_timeout"},
    "UDP_CHECK": {
        "payload",
        "require_reply",
        "min_reply_length",
        "max_reply_length",
        "connect_port",
        "connect_timeout",
    },
    "DNS_CHECK": {"dns_type", "name", "connect_port", "connect_timeout"},
    "MISC_CHECK": {"misc_path", "misc_timeout", "misc_dynamic"},
    "none": set(),
}
_ANY = {"type", "retry", "delay_before_retry", "raw"}


def virtual_servers(
    context: Context, vips: Vips, addresses: dict[str, IPv4Address]
) -> tuple[VirtualServerSpec, ...]:
    """Return every virtual server; problems are noted in the context."""
    held = list(dict.fromkeys(vip for vip, _, _ in vips.all))
    servers = context.model.virtual_servers
    if servers is None:
        pool = [VirtualServer(vip=str(vip)) for vip in held]  # type: ignore[arg-type]
        return tuple(
            _server(context, (), server, server.vip or vip, addresses)
            for server, vip in zip(pool, held, strict=True)
        )
    result: list[tuple[Path, VirtualServerSpec]] = []
    seen: dict[tuple[IPv4Address, int, str], int] = {}
    for index, server in enumerate(servers):
        path: Path = ("virtual_servers", index)
        vip = _vip(context, server, held, path)
        if vip is None:
            continue
        key = (vip, server.port, server.protocol)
        if key in seen:
            line = context.document.at(("virtual_servers", seen[key]))[0]
            context.bad(
                path, f"virtual server {vip}:{server.port} {server.protocol} is on line {line} "
                "already: each would have its own quorum, and stopping one deletes both",
                "merge the two",
            )  # fmt: skip
        seen.setdefault(key, index)
        result.append((path, _server(context, path, server, vip, addresses)))
    # A check that members share, or that is wrong in two ways, is told once.
    told: set[Mark] = set()
    _spoken(context, result, told)
    _one_way_each(context, result, told)
    return tuple(spec for _, spec in result)


def _vip(
    context: Context, server: VirtualServer, held: list[IPv4Address], path: Path
) -> IPv4Address | None:
    if server.vip is None:
        if len(held) == 1:
            return held[0]
        if held:
            context.bad(path, "'vip' is missing: there is more than one to choose from")
        return None
    if server.vip not in held:
        hint = did_you_mean(str(server.vip), map(str, held))
        context.bad(
            (*path, "vip"),
            f"no vrrp_instance holds the VIP {server.vip}: nobody would answer",
            hint,
        )
    return server.vip


def _server(
    context: Context,
    path: Path,
    server: VirtualServer,
    vip: IPv4Address,
    addresses: dict[str, IPv4Address],
) -> VirtualServerSpec:
    members = _members(context, path, server, addresses)
    _quorum(context, path, server, members)
    if server.ops and server.protocol != "UDP":
        context.bad((*path, "ops"), "'ops' (one-packet scheduling) is for UDP only")
    for index, flag in enumerate(server.scheduler_flags):
        family = flag.partition("-")[0]
        if family in ("sh", "mh") and family != server.scheduler:
            context.bad(
                (*path, "scheduler_flags", index),
                f"flag {flag} is for scheduler {family}, not {server.scheduler}",
            )
    granularity = server.persistence_granularity
    if granularity is not None:
        _granularity(context, path, server, granularity)
    return VirtualServerSpec(
        vip=vip,
        port=server.port,
        protocol=server.protocol,
        scheduler=server.scheduler,
        scheduler_flags=tuple(server.scheduler_flags),
        forwarding=server.forwarding,
        delay_loop=float(server.delay_loop),
        persistence_timeout=server.persistence_timeout,
        persistence_granularity=str(granularity) if granularity else None,
        quorum=server.quorum,
        hysteresis=server.hysteresis,
        alpha=server.alpha,
        omega=server.omega,
        ops=server.ops,
        members=members,
        sorry_server=_sorry(context, path, server, addresses),
        raw=server.raw,
    )


def _granularity(
    context: Context, path: Path, server: VirtualServer, granularity: IPv4Address
) -> None:
    place = (*path, "persistence_granularity")
    if server.persistence_timeout is None:
        context.bad(
            place, "'persistence_granularity' does nothing without 'persistence_timeout'", key=True
        )
    inverted = ~int(granularity) & 0xFFFFFFFF
    if inverted & (inverted + 1) or not int(granularity):
        context.bad(place, f"{granularity} is not a netmask, such as 255.255.255.0")


def _quorum(
    context: Context, path: Path, server: VirtualServer, members: tuple[PoolMember, ...]
) -> None:
    total = sum(member.weight for member in members)
    if members and server.quorum > total:
        place = (*path, "quorum") if "quorum" in server.model_fields_set else path
        place = place or ("real_servers",)
        context.bad(
            place, f"quorum {server.quorum} can never be reached: the weights add up to {total}"
        )
    elif server.hysteresis >= server.quorum and server.hysteresis:
        context.bad(
            (*path, "hysteresis"),
            f"hysteresis {server.hysteresis} has to be below the quorum, {server.quorum}: "
            "keepalived lowers it",
        )
    elif members and server.quorum + server.hysteresis > total:
        context.bad(
            (*path, "hysteresis"),
            f"quorum {server.quorum} + hysteresis {server.hysteresis} can never be reached: the "
            f"weights add up to {total}",
        )


def _members(
    context: Context, path: Path, server: VirtualServer, addresses: dict[str, IPv4Address]
) -> tuple[PoolMember, ...]:
    nodes = context.model.real_servers
    wanted = server.real_servers
    if wanted is None:
        sorry = server.sorry_server.server if server.sorry_server else None
        wanted = {name: Member() for name in nodes if name != sorry}
    if not wanted:
        context.bad((*path, "real_servers"), "the pool is empty: nobody would answer", key=True)
    base = server.check or Check()
    # A check shared by all is judged once, at its own place.
    shared = _check(context, server, Check(), base, (*path, "check"))
    members = []
    for name, member in wanted.items():
        place: Path = (*path, "real_servers", name)
        if not context.reference(name, nodes, "real server", place):
            continue
        weight = member.weight if member.weight is not None else nodes[name].weight
        inhibit = member.inhibit_on_failure
        _port(context, server, member.port, place)
        check = shared
        if member.check is not None:
            check = _check(context, server, base, member.check, (*place, "check"))
        members.append(
            PoolMember(
                server=name,
                address=addresses[name],
                port=member.port or server.port,
                weight=1 if weight is None else weight,
                inhibit_on_failure=server.inhibit_on_failure if inhibit is None else inhibit,
                check=check,
                raw=member.raw,
            )
        )
    return tuple(members)


def _check(
    context: Context, server: VirtualServer, base: Check, own: Check, path: Path
) -> CheckSpec | None:
    kind = own.type or base.type or ("HTTP_GET" if server.protocol == "TCP" else "none")
    written = {k: v for k, v in own.model_dump().items() if v is not None}
    for key in written.keys() - _OWN[kind] - _ANY:
        owners = [k for k, keys in _OWN.items() if key in keys]
        context.bad(
            (*path, key),
            f"'{key}' is for {' and '.join(owners)}, but this check is {kind}",
            key=True,
        )
    if kind == "none":
        return None
    inherited = {k: v for k, v in base.model_dump().items() if v is not None}
    # What is inherited from a check of another kind is left behind.
    usable = (_OWN[kind] | _ANY) - {"type"}
    merged = {k: v for k, v in (inherited | written).items() if k in usable}
    check = CheckSpec(kind=kind, **merged)
    if kind == "MISC_CHECK" and check.misc_path is None:
        context.bad(path, "'misc_path' is missing: the command that MISC_CHECK runs")
    if kind == "UDP_CHECK":
        _reply(context, check, path)
    by_tcp = kind not in ("MISC_CHECK", *UDP_CHECKS)
    if server.protocol == "UDP" and by_tcp and check.connect_port is None:
        context.bad(
            path, f"{kind} makes a TCP connection, but this virtual server is UDP",
            "UDP_CHECK, DNS_CHECK, MISC_CHECK, none, or a 'connect_port' where TCP answers",
        )  # fmt: skip
    return check


def _reply(context: Context, check: CheckSpec, path: Path) -> None:
    """Note what keepalived would not look at, or never accept (check_udp.c, check_udp_reply())."""
    low, high = check.min_reply_length, check.max_reply_length
    if not isinstance(check.require_reply, str) and (low, high) != (None, None):
        context.bad(
            (*path, "min_reply_length" if low is not None else "max_reply_length"),
            "keepalived looks at an answer's length only where it compares its octets",
            "write what the answer begins with as 'require_reply', or remove it",
            key=True,
        )
    elif (low or 0) > (255 if high is None else high):
        context.bad(
            (*path, "min_reply_length"),
            f"min_reply_length {low} is above max_reply_length {255 if high is None else high}: "
            "no answer would do",
        )


def _sorry(
    context: Context, path: Path, server: VirtualServer, addresses: dict[str, IPv4Address]
) -> SorryServer | None:
    sorry = server.sorry_server
    if sorry is None:
        return None
    # Where a name stands for it, this is the place of the name.
    place = (*path, "sorry_server", "server")
    name = sorry.server
    if name in (server.real_servers or ()):
        context.bad(place, f"'{name}' is in the pool: a sorry server stands outside it")
    nodes = context.model.real_servers
    if not context.reference(name, nodes, "real server", place, key=False):
        return None
    _port(context, server, sorry.port, (*path, "sorry_server"))
    return SorryServer(name, addresses[name], sorry.port or server.port, sorry.inhibit)


def _port(context: Context, server: VirtualServer, port: int | None, path: Path) -> None:
    """Note a port that the request does not come to: only NAT rewrites it."""
    if port not in (None, server.port) and server.forwarding != "NAT":
        context.bad(
            (*path, "port"),
            f"with {server.forwarding} a real server answers on the virtual server's port, "
            f"{server.port}, not on {port}",
            "remove it, or 'forwarding: NAT'",
        )


def _spoken(
    context: Context, servers: list[tuple[Path, VirtualServerSpec]], told: set[Mark]
) -> None:
    """Note the checks that ask a DNS server for something else."""
    dns = dns_ports(vs for _, vs in servers)
    for place, member, check in _checks(context, servers):
        port, mark = closed_to(member, dns), context.document.at(place)
        if port is not None and mark not in told:
            told.add(mark)
            context.bad(
                place,
                f"{check.kind} asks port {port} of {member.server}, where a DNS server answers, "
                "and would always fail",
                "DNS_CHECK, TCP_CHECK, or another 'connect_port'",
            )


def _one_way_each(
    context: Context, servers: list[tuple[Path, VirtualServerSpec]], told: set[Mark]
) -> None:
    """Note the checks that want of one port, or of one path there, what another does not."""
    tls = tls_places(vs for _, vs in servers)
    wanted: dict[tuple[str, int, str], frozenset[int]] = {}
    for place, member, check in _checks(context, servers):
        at, mark = checked_at(member), context.document.at(place)
        if at is None:
            continue
        server, port = at
        if check.kind == "HTTP_GET" and at in tls and mark not in told:
            told.add(mark)
            context.bad(
                place,
                f"{server} speaks TLS at port {port}, because of an SSL_GET, and HTTP_GET asks it "
                "there without",
                "SSL_GET in both, or another 'connect_port'",
            )
        for asked, codes in asks(check):
            key = (server, port, asked)
            both = wanted.get(key, codes) & codes
            if not both and mark not in told:
                told.add(mark)
                context.bad(
                    place,
                    f"another check wants {_statuses(wanted[key])} of {server} for {asked} at "
                    f"port {port}, and this one {_statuses(codes)}: a path has one status",
                    "another 'path' for one of the two",
                )
            wanted[key] = both or wanted[key]


def _checks(
    context: Context, servers: list[tuple[Path, VirtualServerSpec]]
) -> Iterator[tuple[Path, PoolMember, CheckSpec]]:
    """Yield each member that is checked, and where the file has its check."""
    for path, vs in servers:
        for member in vs.members:
            if member.check is not None:
                own = _own_check(context, path, member.server)
                at: Path = ("real_servers", member.server) if own else ()
                yield (*path, *at, "check"), member, member.check


def _own_check(context: Context, path: Path, name: str) -> bool:
    """Return whether a member has a check of its own in the file."""
    servers = context.model.virtual_servers or ()
    members = servers[int(path[-1])].real_servers or {}
    return name in members and members[name].check is not None


def _statuses(codes: frozenset[int]) -> str:
    low, high = min(codes), max(codes)
    if len(codes) > 1 and len(codes) == high - low + 1:
        return f"a status of {low} to {high}"
    return f"status {' or '.join(map(str, sorted(codes)))}"
