"""How a lab is right now: what ``lvslab status`` shows, from the agents and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lvslab.errors import LvslabError
from lvslab.lab.api import in_parallel
from lvslab.lab.conditions import (
    unmet_gateway,
    unmet_holders,
    unmet_tables,
    unmet_tunnels,
    vips_on,
)
from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS, TUNNEL, vip_device, vips_of

if TYPE_CHECKING:
    from lvslab.lab.lab import Lab, Node
    from lvslab.topology.spec import TopologySpec

#: Seconds that an agent is given to say how its node is.
STATUS_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What every node has."""

    name: str
    address: str
    #: The container's state; ``missing`` when there is none. Only a ``running`` one has more.
    state: str
    #: Why nothing more is known of it.
    problem: str | None = None
    #: Interface -> {up, running, mac}.
    links: Mapping[str, Any] = field(default_factory=dict)
    #: Service -> {pid, running, since}.
    services: Mapping[str, Any] = field(default_factory=dict)
    #: Names of the faults that were injected and not healed.
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DirectorStatus(NodeStatus):
    """A director: VRRP, VIPs, IPVS."""

    #: Instance -> {state, priority, t}.
    vrrp: Mapping[str, Any] = field(default_factory=dict)
    #: The VIPs that it holds.
    holds: tuple[str, ...] = ()
    #: [{vip, port, protocol, scheduler, flags, persistence, servers: [...]}]
    ipvs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class RealServerStatus(NodeStatus):
    """A real server: httpd, the VIP, what keeps it silent, and who sends it requests."""

    #: {ok, ms, detail}: a request to its httpd from itself.
    http: Mapping[str, Any] = field(default_factory=dict)
    lo_vips: tuple[str, ...] = ()
    #: The VIPs that it has where forwarding wants them: on lo (DR) or tunl0 (TUN), none with NAT.
    vips: tuple[str, ...] = ()
    #: With NAT {address, mac, state, node}; ``node`` is the director with that MAC address.
    gateway: Mapping[str, Any] = field(default_factory=dict)
    #: arp_ignore and arp_announce; none with NAT, which needs neither.
    sysctls: Mapping[str, str] = field(default_factory=dict)
    #: ``lvs1 172.20.1.100:80 weight 1``: the tables that list it.
    listed_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientStatus(NodeStatus):
    """A client: whom it takes for the VIP."""

    #: VIP -> {mac, state, node}; ``node`` is the director with that MAC address, or None.
    arp: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A whole lab."""

    lab: str
    healthy: bool
    #: Why it is not healthy, one line each.
    reasons: tuple[str, ...]
    directors: tuple[DirectorStatus, ...]
    real_servers: tuple[RealServerStatus, ...]
    clients: tuple[ClientStatus, ...]
    #: ``DR``, ``NAT`` or ``TUN``.
    forwarding: str = "DR"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was learnt about one node: the agent's status, or why there is none."""

    state: str
    status: Mapping[str, Any] | None = None
    problem: str | None = None


def lab_status(lab: Lab, *, timeout: float = STATUS_TIMEOUT) -> LabStatus:
    """Ask every node at once, each ``timeout`` seconds at most, and judge the lab.

    A node that is off or does not answer is part of the result, not an error. Raises LabError
    for a half-made lab.
    """
    nodes = list(lab.nodes.values())
    seen = in_parallel(nodes, lambda node: _look(node, timeout))
    return judge(lab.name, lab.spec, {n.name: s for n, s in zip(nodes, seen, strict=True)})


def _look(node: Node, timeout: float) -> Seen:
    state = "unknown"
    try:
        link = node.link()
        state = "running"
        return Seen(state, link.request("status", timeout=timeout))
    except LvslabError as error:
        if state == "unknown":
            state = str(node.container.status)
        return Seen(state, None, error.what)


def judge(name: str, spec: TopologySpec, seen: Mapping[str, Seen]) -> LabStatus:
    """Put together what was seen, and say whether the lab is healthy. Pure."""
    missing = Seen("missing", None, "it has no container")
    known = {n: s.status for n, s in seen.items() if s.status is not None}
    tables = {d.name: known[d.name] for d in spec.directors if d.name in known}
    owners = _owners(known)

    directors = []
    for director in spec.directors:
        one = seen.get(director.name, missing)
        says = one.status or {}
        directors.append(
            DirectorStatus(
                **_common(director.name, str(director.address), one),
                vrrp=says.get("vrrp", {}),
                holds=tuple(says.get("holds", ())),
                ipvs=tuple(says.get("ipvs", ())),
            )
        )
    device = vip_device(spec)
    shown = (TUNNEL,) if device == TUNNEL else ()
    servers = []
    for server in spec.real_servers:
        one = seen.get(server.name, missing)
        says = one.status or {}
        servers.append(
            RealServerStatus(
                **_common(server.name, str(server.address), one, shown),
                http=says.get("http", {}),
                lo_vips=tuple(says.get("lo_vips", ())),
                vips=_vips(spec, server.name, says),
                gateway=_gateway(spec, says, owners),
                sysctls={k: says["sysctls"].get(k, "?") for k, _ in REAL_SERVER_SYSCTLS}
                if says.get("sysctls") and device
                else {},
                listed_in=_listed(str(server.address), tables),
            )
        )
    clients = []
    for client in spec.clients:
        one = seen.get(client.name, missing)
        neighbours = (one.status or {}).get("neigh", {})
        clients.append(
            ClientStatus(
                **_common(client.name, str(client.address), one),
                arp={v: {**n, "node": owners.get(n.get("mac"))} for v, n in neighbours.items()},
            )
        )
    tunnels = {r.name: known[r.name] for r in spec.real_servers if r.name in known}
    reasons = [
        *_node_reasons((*directors, *servers, *clients)),
        *_server_reasons(spec, servers),
        *(f"{u.node}: {u.what}" for u in unmet_tunnels(spec, tunnels)),
        *(f"{u.node}: {u.what}" for u in unmet_tables(spec, tables)),
        *(u.what for u in unmet_holders(spec, tables)),
        *(f"{u.node}: {u.what}" for u in unmet_gateway(spec, tables)),
    ]
    return LabStatus(
        lab=name,
        healthy=not reasons,
        # A tunnel that is down is a link that is down.
        reasons=tuple(dict.fromkeys(reasons)),
        directors=tuple(directors),
        real_servers=tuple(servers),
        clients=tuple(clients),
        forwarding=spec.forwarding,
    )


def _vips(spec: TopologySpec, server: str, says: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the VIPs that a real server has where its forwarding method wants them."""
    device = vip_device(spec)
    if device == "lo":
        return tuple(says.get("lo_vips", ()))
    return vips_on(device, map(str, vips_of(spec, server)), says) if device else ()


def _gateway(
    spec: TopologySpec, says: Mapping[str, Any], owners: Mapping[str, str]
) -> dict[str, Any]:
    """Return whom a real server takes for its gateway, by its ARP entry."""
    if spec.inside is None:
        return {}
    address = str(spec.inside.gateway)
    neighbour = says.get("neigh", {}).get(address, {})
    mac = neighbour.get("mac")
    return {"address": address, "mac": mac, "state": neighbour.get("state"),
            "node": owners.get(mac)}  # fmt: skip


def _common(name: str, address: str, seen: Seen, more: tuple[str, ...] = ()) -> dict[str, Any]:
    says = seen.status or {}
    return {
        "name": name,
        "address": address,
        "state": seen.state,
        "problem": seen.problem,
        # Not what the kernel puts into every namespace by itself (lo, tunl0, ip_vti0...).
        "links": {
            n: link for n, link in says.get("links", {}).items() if n.startswith(("eth", *more))
        },
        "services": says.get("services", {}),
        "faults": tuple(str(e.get("fault")) for e in says.get("journal", ())),
    }


def _owners(known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return node names by MAC address."""
    return {
        link["mac"]: name
        for name, says in known.items()
        for interface, link in says.get("links", {}).items()
        if interface != "lo" and link.get("mac")
    }


def _listed(address: str, tables: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(
        f"{director} {row['vip']}:{row['port']} weight {server['weight']}"
        for director, says in tables.items()
        for row in says.get("ipvs", ())
        for server in row["servers"]
        if server["address"] == address
    )


def _node_reasons(nodes: tuple[NodeStatus, ...]) -> list[str]:
    reasons = []
    for node in nodes:
        if node.problem:
            reasons.append(f"{node.name}: {node.problem.splitlines()[0]}")
            continue
        reasons += [f"{node.name}: the fault {fault} is not healed" for fault in node.faults]
        reasons += [
            f"{node.name}: {interface} is {'up without carrier' if link.get('up') else 'down'}"
            for interface, link in node.links.items()
            if not (link.get("up") and link.get("running"))
        ]
        reasons += [
            f"{node.name}: {service} does not run"
            for service, shown in node.services.items()
            if not shown.get("running")
        ]
    return reasons


def _server_reasons(spec: TopologySpec, servers: list[RealServerStatus]) -> list[str]:
    reasons = []
    for server in servers:
        if server.problem:
            continue
        if "httpd" in server.services and not server.http.get("ok"):
            reasons.append(f"{server.name}: httpd does not answer: {server.http.get('detail')}")
        if vip_device(spec) == "lo":
            wanted = {
                str(vs.vip)
                for vs in spec.virtual_servers
                if any(m.server == server.name for m in vs.members)
            }
            reasons += [
                f"{server.name}: does not have the VIP {vip} on lo"
                for vip in sorted(wanted - set(server.lo_vips))
            ]
        reasons += [
            f"{server.name}: {key} is {server.sysctls.get(key)}, not {value}: it may answer ARP "
            "for the VIP"
            for key, value in REAL_SERVER_SYSCTLS
            if server.sysctls and server.sysctls.get(key) != value
        ]
    return reasons
