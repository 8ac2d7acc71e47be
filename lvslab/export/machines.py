"""What a real director and a real real server need, as files where such a machine has them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from lvslab.export.model import ExportedFile, exported, rendered
from lvslab.plan.build import KEEPALIVED_CONF
from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS, vips_of
from lvslab.plan.render import instances_of, keepalived_conf
from lvslab.topology.served import is_secure, statuses, tls_places
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec
from lvslab.topology.spoken import UDP_CHECKS


@dataclass(frozen=True, slots=True)
class Service:
    """A port that a machine must accept connections at, and for which address."""

    address: IPv4Address
    port: int
    protocol: str


def director_files(
    spec: TopologySpec, me: DirectorSpec, interface: str
) -> tuple[ExportedFile, ...]:
    """Return the files of one director."""
    # net/netfilter/ipvs/Kconfig: a module for each scheduler.
    modules = ["ip_vs", *sorted({f"ip_vs_{vs.scheduler}" for vs in spec.virtual_servers})]
    return (
        exported(
            f"{me.name}{KEEPALIVED_CONF}",
            keepalived_conf(spec, me, interface=interface, watched=False),
            # It may hold a password.
            0o640,
        ),
        exported(
            f"{me.name}/etc/modules-load.d/lvs.conf",
            "# Before sysctl.d is read: net.ipv4.vs.* is there only with the module.\n"
            + "\n".join(modules),
        ),
        exported(
            f"{me.name}/etc/sysctl.d/90-lvs.conf",
            rendered(
                "sysctl.conf.j2",
                node=me.name,
                role="director",
                sysctls=sorted(spec.director_sysctls),
            ),
        ),
        exported(
            f"{me.name}/etc/nftables.d/lvs.nft",
            rendered(
                "lvs.nft.j2",
                node=me.name,
                interface=interface,
                vrrp=peers(spec, me),
                multicast=any(not i.unicast for i, _ in instances_of(spec, me)),
                services=services(spec),
            ),
        ),
        *(exported(f"{me.name}{path}", text, 0o755) for path, text in me.files),
    )


def real_server_files(
    spec: TopologySpec, me: RealServerSpec, interface: str
) -> tuple[ExportedFile, ...]:
    """Return the files of one real server; of the three ways to the VIP on lo, one is taken."""
    vips = vips_of(spec, me.name)
    home = me.name
    return (
        exported(
            f"{home}/etc/sysctl.d/90-lvs-dr.conf",
            rendered(
                "sysctl.conf.j2", node=me.name, role="real server", sysctls=REAL_SERVER_SYSCTLS
            ),
        ),
        *(
            exported(f"{home}/{path}", rendered(template, node=me.name, vips=vips), mode)
            for path, template, mode in (
                ("etc/systemd/network/10-lvs-lo.network", "lo.network.j2", 0o644),
                # NetworkManager reads no profile that others than root could.
                ("etc/NetworkManager/system-connections/lvs-lo.nmconnection", "lo.nm.j2", 0o600),
                ("etc/network/interfaces.d/lvs-lo", "lo.interfaces.j2", 0o644),
            )
        ),
        exported(
            f"{home}/etc/nftables.d/lvs.nft",
            rendered(
                "lvs.nft.j2",
                node=me.name,
                interface=interface,
                vrrp=(),
                multicast=False,
                services=services(spec, me),
            ),
        ),
    )


def checklist(spec: TopologySpec, interface: str) -> ExportedFile:
    """Return what is done in which order, and how each step is seen to have worked."""
    return exported(
        "CHECKLIST.md",
        rendered(
            "checklist.md.j2",
            spec=spec,
            interface=interface,
            vips_of={r.name: vips_of(spec, r.name) for r in spec.real_servers},
            first={i.name: i.by_priority()[0].director for i in spec.vrrp_instances},
            sysctls=REAL_SERVER_SYSCTLS,
            tls=sorted(tls_places(spec.virtual_servers)),
            odd=sorted(
                (server, port, path, status)
                for (server, port), paths in statuses(spec.virtual_servers).items()
                for path, status in paths.items()
            ),
            secure=[vs.key for vs in spec.virtual_servers if is_secure(spec.virtual_servers, vs)],
        ),
    )


def services(spec: TopologySpec, me: RealServerSpec | None = None) -> tuple[Service, ...]:
    """Return what must be let in: on a director each virtual server; on a real server its part.

    A real server is asked for the VIP by clients, and for its own address by the checks.
    """
    found: dict[Service, None] = {}
    for vs in spec.virtual_servers:
        protocol = vs.protocol.lower()
        if me is None:
            found[Service(vs.vip, vs.port, protocol)] = None
            continue
        for member in vs.members:
            if member.server != me.name:
                continue
            found[Service(vs.vip, member.port, protocol)] = None
            check = member.check
            if check is not None and check.kind != "MISC_CHECK":
                by = "udp" if check.kind in UDP_CHECKS else "tcp"
                found[Service(me.address, check.connect_port or member.port, by)] = None
        sorry = vs.sorry_server
        if sorry is not None and sorry.server == me.name:
            found[Service(vs.vip, sorry.port, protocol)] = None
    return tuple(found)


def peers(spec: TopologySpec, me: DirectorSpec) -> tuple[IPv4Address, ...]:
    """Return the addresses of the directors whose adverts this one must hear."""
    return tuple(
        dict.fromkeys(
            other.address
            for instance, _ in instances_of(spec, me)
            for other in instance.members
            if other.director != me.name
        )
    )
