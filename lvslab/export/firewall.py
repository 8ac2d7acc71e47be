"""What a machine's firewall must let in, and with NAT through: /etc/nftables.d/lvs.nft."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from lvslab.export.interfaces import NM_TUNNEL
from lvslab.export.model import ExportedFile, Links, exported, rendered
from lvslab.plan.forwarding import TUNNEL
from lvslab.plan.render import instances_of
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec
from lvslab.topology.spoken import UDP_CHECKS


@dataclass(frozen=True, slots=True)
class Service:
    """A port at an address, and where requests for it come in."""

    address: IPv4Address
    port: int
    protocol: str
    #: As nft writes it after ``iifname``.
    iifname: str


def director_firewall(spec: TopologySpec, me: DirectorSpec, links: Links) -> ExportedFile:
    """Return the rules of a director: adverts, every virtual server, with NAT the answers."""
    return _firewall(
        me.name,
        links,
        vrrp=_peers(spec, me),
        multicast=any(not i.unicast for i, _ in instances_of(spec, me)),
        services=tuple(
            Service(vs.vip, vs.port, vs.protocol.lower(), _quoted(links.first))
            for vs in spec.virtual_servers
        ),
        answers=() if spec.inside is None else _answers(spec, links),
    )


def real_server_firewall(spec: TopologySpec, me: RealServerSpec, links: Links) -> ExportedFile:
    """Return the rules of a real server: its part of the virtual servers, and the checks."""
    tunnelled = spec.forwarding == "TUN"
    return _firewall(
        me.name,
        links,
        tunnelled_by=tuple(d.address for d in spec.directors) if tunnelled else (),
        services=_services(spec, me, links),
    )


def _firewall(
    node: str,
    links: Links,
    *,
    services: tuple[Service, ...],
    vrrp: tuple[IPv4Address, ...] = (),
    multicast: bool = False,
    tunnelled_by: tuple[IPv4Address, ...] = (),
    answers: tuple[Service, ...] = (),
) -> ExportedFile:
    return exported(
        f"{node}/etc/nftables.d/lvs.nft",
        rendered(
            "lvs.nft.j2",
            node=node,
            interface=links.first,
            vrrp=vrrp,
            multicast=multicast,
            tunnelled_by=tunnelled_by,
            services=services,
            answers=answers,
        ),
    )


def _quoted(*interfaces: str) -> str:
    names = ", ".join(f'"{i}"' for i in interfaces)
    return names if len(interfaces) == 1 else f"{{ {names} }}"


def _services(spec: TopologySpec, me: RealServerSpec, links: Links) -> tuple[Service, ...]:
    """Return what a real server is asked: by clients, and by checks for its own address.

    Clients ask it for the VIP; with TUN out of the tunnel, with NAT for its own address.
    """
    own = _quoted(links.first)
    by_tunnel = _quoted(TUNNEL, NM_TUNNEL)
    found: dict[Service, None] = {}
    for vs in spec.virtual_servers:
        protocol = vs.protocol.lower()
        address = me.address if spec.forwarding == "NAT" else vs.vip
        way = by_tunnel if spec.forwarding == "TUN" else own
        for member in vs.members:
            if member.server != me.name:
                continue
            found[Service(address, member.port, protocol, way)] = None
            check = member.check
            if check is not None and check.kind != "MISC_CHECK":
                by = "udp" if check.kind in UDP_CHECKS else "tcp"
                found[Service(me.address, check.connect_port or member.port, by, own)] = None
        sorry = vs.sorry_server
        if sorry is not None and sorry.server == me.name:
            found[Service(address, sorry.port, protocol, way)] = None
    return tuple(found)


def _answers(spec: TopologySpec, links: Links) -> tuple[Service, ...]:
    """Return from where answers of real servers are routed through a director.

    The filter sees them with the real server's address and port: the VIP is put back after it
    (ip_vs_core.c, ip_vs_ops4: NF_INET_FORWARD, priority 100).
    """
    found: dict[Service, None] = {}
    for vs in spec.virtual_servers:
        sorry = () if vs.sorry_server is None else (vs.sorry_server,)
        for one in (*vs.members, *sorry):
            way = f"{_quoted(links.inside)} oifname {_quoted(links.first)}"
            found[Service(one.address, one.port, vs.protocol.lower(), way)] = None
    return tuple(found)


def _peers(spec: TopologySpec, me: DirectorSpec) -> tuple[IPv4Address, ...]:
    """Return the addresses of the directors whose adverts this one must hear."""
    return tuple(
        dict.fromkeys(
            other.address
            for instance, _ in instances_of(spec, me)
            for other in instance.members
            if other.director != me.name
        )
    )
