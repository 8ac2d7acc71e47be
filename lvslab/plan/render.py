"""The files of directors and real servers, rendered from the topology. Pure but for templates."""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address
from textwrap import dedent, indent

from jinja2 import Environment

from lvslab.plan.forwarding import TUNNEL
from lvslab.templates import templates
from lvslab.topology.spec import (
    DirectorSpec,
    GarpSpec,
    RealServerSpec,
    TopologySpec,
    VrrpInstanceSpec,
    VrrpMember,
)

#: Where the node's programs keep what lives only as long as they do.
RUN = "/run/lvslab"
VRRP_FIFO = f"{RUN}/vrrp.fifo"
LVS_FIFO = f"{RUN}/lvs.fifo"
DOCROOT = "/var/www/html"
#: The name of a node's first interface, and of a director's in the inside network.
INTERFACE = "eth0"
INSIDE_INTERFACE = "eth1"


def number(value: float) -> str:
    """Write seconds as keepalived reads them: ``3``, ``0.1``; microseconds are its finest."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"


def raw(block: str, level: int) -> str:
    """Indent a raw block for its place; nothing at all when it is blank."""
    text = dedent(block).strip("\n")
    return indent(text, "    " * level) + "\n" if text.strip() else ""


def garp_lines(garp: GarpSpec) -> list[tuple[str, int]]:
    """Return the ``garp_*`` lines of a vrrp_instance, those that were set.

    ``interval`` is not among them: keepalived has it per interface, not per instance
    (keepalived.conf(5), ``vrrp_garp_interval`` and ``garp_group``).
    """
    values = {
        "garp_master_delay": garp.master_delay,
        "garp_master_repeat": garp.master_repeat,
        "garp_master_refresh": garp.master_refresh,
        "garp_master_refresh_repeat": garp.master_refresh_repeat,
        "garp_lower_prio_delay": garp.lower_prio_delay,
        "garp_lower_prio_repeat": garp.lower_prio_repeat,
    }
    return [(keyword, value) for keyword, value in values.items() if value is not None]


def instances_of(
    spec: TopologySpec, director: DirectorSpec
) -> list[tuple[VrrpInstanceSpec, VrrpMember]]:
    """Return the VRRP instances in which a director takes part, each with its part."""
    return [
        (instance, member)
        for instance in spec.vrrp_instances
        for member in instance.members
        if member.director == director.name
    ]


def runs_scripts(spec: TopologySpec) -> bool:
    """Return whether a check is a script: keepalived.conf then names a user for scripts."""
    checks = (m.check for vs in spec.virtual_servers for m in vs.members)
    return any(check is not None and check.kind == "MISC_CHECK" for check in checks)


def keepalived_conf(
    spec: TopologySpec,
    director: DirectorSpec,
    *,
    interface: str = INTERFACE,
    watched: bool = True,
) -> str:
    """Render a director's keepalived.conf; ``watched`` with what lets the lab's agent see it.

    One keyword a line, always: keepalived takes the rest of a line as the first one's
    arguments and says nothing. What keepalived would do by itself is left out. Where the
    instances differ in the GARP interval, the longest is taken for the one interface.
    """
    instances = instances_of(spec, director)
    intervals = [i.garp.interval for i, _ in instances if i.garp.interval]
    text = (
        _templates()
        .get_template("keepalived.conf.j2")
        .render(
            spec=spec,
            director=director,
            instances=instances,
            interface=interface,
            watched=watched,
            vrrp_fifo=VRRP_FIFO,
            lvs_fifo=LVS_FIFO,
            scripts=runs_scripts(spec),
            garp_interval=max(intervals, default=None),
            garp=garp_lines,
            gateway=None if spec.inside is None else spec.inside.gateway,
            inside_interface=INSIDE_INTERFACE,
        )
    )
    return text.rstrip("\n") + "\n"


def httpd_conf(server: RealServerSpec, ports: tuple[int, ...]) -> str:
    """Render a real server's Apache configuration, complete in itself (no Debian default read)."""
    return (
        _templates()
        .get_template("httpd.conf.j2")
        .render(server=server, ports=ports, docroot=DOCROOT, run=RUN)
    )


def tunnel_script(server: RealServerSpec, vips: tuple[IPv4Address, ...]) -> str:
    """Render what makes a real server's end of the tunnel and then runs its arguments."""
    return _templates().get_template("tunnel.sh.j2").render(server=server, vips=vips, tunnel=TUNNEL)


def page_of(address: IPv4Address) -> bytes:
    """Return the page that a real server's httpd answers with, whatever is asked for."""
    return f"from {address}\n".encode()


@cache
def _templates() -> Environment:
    environment = templates("lvslab.plan")
    environment.filters["number"] = number
    environment.filters["raw"] = raw
    return environment
