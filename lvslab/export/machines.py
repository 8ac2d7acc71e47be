"""What a real director and a real real server need, as files where such a machine has them."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.export.firewall import director_firewall, real_server_firewall
from lvslab.export.interfaces import NM_TUNNEL, interface_files
from lvslab.export.model import ExportedFile, Links, exported, rendered
from lvslab.plan.build import KEEPALIVED_CONF
from lvslab.plan.forwarding import (
    TUNNEL,
    director_sysctls,
    real_server_sysctls,
    vip_device,
    vips_of,
)
from lvslab.plan.render import keepalived_conf
from lvslab.topology.served import is_secure, statuses, tls_places
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec


def director_files(spec: TopologySpec, me: DirectorSpec, links: Links) -> tuple[ExportedFile, ...]:
    """Return the files of one director."""
    # net/netfilter/ipvs/Kconfig: a module for each scheduler.
    modules = ["ip_vs", *sorted({f"ip_vs_{vs.scheduler}" for vs in spec.virtual_servers})]
    return (
        exported(
            f"{me.name}{KEEPALIVED_CONF}",
            keepalived_conf(
                spec, me, interface=links.first, inside_interface=links.inside, watched=False
            ),
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
                forwarding=spec.forwarding,
                sysctls=director_sysctls(spec),
            ),
        ),
        director_firewall(spec, me, links),
        *(exported(f"{me.name}{path}", text, 0o755) for path, text in me.files),
    )


def real_server_sysctl_file(spec: TopologySpec) -> str | None:
    """Return the path, below its root, of a real server's sysctls; None where it needs none."""
    if not real_server_sysctls(spec):
        return None
    return f"etc/sysctl.d/90-lvs-{spec.forwarding.lower()}.conf"


def real_server_modules(spec: TopologySpec) -> tuple[str, ...]:
    """Return the kernel modules that a real server needs."""
    return ("ipip",) if vip_device(spec) == TUNNEL else ()


def real_server_files(
    spec: TopologySpec, me: RealServerSpec, links: Links
) -> tuple[ExportedFile, ...]:
    """Return the files of one real server; of the three for its interfaces, one is taken."""
    return (
        *_real_server_kernel(spec, me),
        *interface_files(spec, me, links),
        real_server_firewall(spec, me, links),
    )


def _real_server_kernel(spec: TopologySpec, me: RealServerSpec) -> Iterator[ExportedFile]:
    """Yield what a real server's kernel is told: nothing with NAT."""
    modules = real_server_modules(spec)
    if modules:
        yield exported(
            f"{me.name}/etc/modules-load.d/lvs.conf",
            f"# The end of the tunnels: with it {TUNNEL} is there.\n" + "\n".join(modules),
        )
    path = real_server_sysctl_file(spec)
    if path is not None:
        yield exported(
            f"{me.name}/{path}",
            rendered(
                "sysctl.conf.j2",
                node=me.name,
                role="real server",
                forwarding=spec.forwarding,
                device=vip_device(spec),
                sysctls=real_server_sysctls(spec),
            ),
        )


def checklist(spec: TopologySpec, links: Links) -> ExportedFile:
    """Return what is done in which order, and how each step is seen to have worked."""
    return exported(
        "CHECKLIST.md",
        rendered(
            "checklist.md.j2",
            spec=spec,
            interface=links.first,
            inside_interface=links.inside,
            device=vip_device(spec),
            nm_tunnel=NM_TUNNEL,
            sysctl_file=real_server_sysctl_file(spec),
            vips_of={r.name: vips_of(spec, r.name) for r in spec.real_servers},
            first={i.name: i.by_priority()[0].director for i in spec.vrrp_instances},
            sysctls=real_server_sysctls(spec),
            director_sysctls=director_sysctls(spec),
            tls=sorted(tls_places(spec.virtual_servers)),
            odd=sorted(
                (server, port, path, status)
                for (server, port), paths in statuses(spec.virtual_servers).items()
                for path, status in paths.items()
            ),
            secure=[vs.key for vs in spec.virtual_servers if is_secure(spec.virtual_servers, vs)],
        ),
    )
