"""What each forwarding method asks of directors and real servers (docs/forwarding.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from lvslab.topology.spec import Forwarding, TopologySpec, VirtualServerSpec

#: The kernel's own end of every IPIP tunnel (net/ipv4/ipip.c): takes what comes from anybody.
TUNNEL = "tunl0"
#: Where a real server has the VIPs; with NAT it has none.
VIP_DEVICE: Mapping[Forwarding, str | None] = {"DR": "lo", "TUN": TUNNEL, "NAT": None}

#: A real server has the VIP and must not say so: it answers ARP only for addresses of the
#: interface asked on, and asks with the address of that interface. ``all`` is enough,
#: the kernel takes the larger of it and the interface's own (ip-sysctl.rst). Given at
#: creation, they hold before eth0 or the VIP exist.
REAL_SERVER_SYSCTLS = (
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
)
#: What comes out of the tunnel has the client's address, whose route leads over eth0: the strict
#: reverse path filter (1) drops it. 2 in ``all`` makes it loose for every interface, whatever its
#: own, since the larger counts; and loose it passes because tunl0 has an address, the VIP.
_TUNNEL_SYSCTLS = (*REAL_SERVER_SYSCTLS, ("net.ipv4.conf.all.rp_filter", "2"))
#: The answers of NAT are routed through the director (ip_vs_reply is in the FORWARD hook).
_NAT_DIRECTOR_SYSCTLS = {"net.ipv4.ip_forward": "1"}

#: An auxiliary address of this name is the containers' default gateway, instead of the bridge
#: (DefaultGatewayV4AuxKey of Docker's bridge driver, since 1.9).
DEFAULT_GATEWAY = "DefaultGatewayIPv4"
#: An endpoint's option that names its interface (Docker 28; engines before it do not know it).
INTERFACE_NAME = "com.docker.network.endpoint.ifname"


def real_server_sysctls(spec: TopologySpec) -> tuple[tuple[str, str], ...]:
    """Return the sysctls of every real server, by name."""
    methods: dict[Forwarding, tuple[tuple[str, str], ...]] = {
        "DR": REAL_SERVER_SYSCTLS,
        "TUN": _TUNNEL_SYSCTLS,
        "NAT": (),
    }
    return methods[spec.forwarding]


def director_sysctls(spec: TopologySpec) -> tuple[tuple[str, str], ...]:
    """Return the sysctls of every director, by name; the topology's own word counts."""
    own = dict(spec.director_sysctls)
    needed = _NAT_DIRECTOR_SYSCTLS if spec.forwarding == "NAT" else {}
    return tuple(sorted((needed | own).items()))


def vip_device(spec: TopologySpec) -> str | None:
    """Return the interface on which real servers have the VIPs; None where they have none."""
    return VIP_DEVICE[spec.forwarding]


def vips_of(spec: TopologySpec, server: str) -> tuple[IPv4Address, ...]:
    """Return the VIPs that a real server has, on :func:`vip_device`."""
    if vip_device(spec) is None:
        return ()
    serves = (vs for vs in spec.virtual_servers if ports_at(vs, server))
    return tuple(dict.fromkeys(vs.vip for vs in serves))


def ports_at(vs: VirtualServerSpec, server: str) -> set[int]:
    """Return the ports at which a virtual server, its checks included, wants a real server."""
    ports = {m.port for m in vs.members if m.server == server}
    for member in vs.members:
        if member.server == server and member.check and member.check.connect_port:
            ports.add(member.check.connect_port)
    if vs.sorry_server is not None and vs.sorry_server.server == server:
        ports.add(vs.sorry_server.port)
    return ports
