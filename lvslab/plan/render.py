"""The files of directors and real servers, rendered from the topology. Pure but for templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Address
from textwrap import dedent, indent
from types import MappingProxyType

from jinja2 import Environment

from lvslab.plan.forwarding import TUNNEL
from lvslab.templates import templates
from lvslab.topology.spec import (
    ASKING,
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
#: What httpd answers with another status than 200, a file each.
ANSWERS = "/var/www/answers"
#: A real server's key and certificate: made in the node, and nowhere else.
TLS_FOLDER = "/var/lib/lvslab/tls"
KEY = f"{TLS_FOLDER}/key.pem"
CERTIFICATE = f"{TLS_FOLDER}/certificate.pem"
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
    inside_interface: str = INSIDE_INTERFACE,
    watched: bool = True,
) -> str:
    """Render a director's keepalived.conf; ``watched`` with what lets the lab's agent see it.

    ``interface`` has the VIPs, ``inside_interface`` the real servers' gateway, where there is one.

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
            asking=ASKING,
            garp_interval=max(intervals, default=None),
            garp=garp_lines,
            gateway=None if spec.inside is None else spec.inside.gateway,
            inside_interface=inside_interface,
        )
    )
    return text.rstrip("\n") + "\n"


def httpd_conf(
    server: RealServerSpec,
    ports: tuple[int, ...],
    *,
    tls: Sequence[int] = (),
    odd: Mapping[int, Mapping[str, int]] = MappingProxyType({}),
) -> str:
    """Render a real server's Apache configuration, complete in itself (no Debian default read).

    ``tls``: the ports that speak TLS. ``odd``: by port, the paths that have another status than
    200, and which. Apache tells ports apart by virtual hosts.
    """
    return (
        _templates()
        .get_template("httpd.conf.j2")
        .render(
            server=server,
            ports=ports,
            docroot=DOCROOT,
            run=RUN,
            tls=tls,
            odd=odd,
            answers=ANSWERS,
            key=KEY,
            certificate=CERTIFICATE,
        )
    )


def httpd_script(server: RealServerSpec, addresses: Sequence[IPv4Address]) -> str:
    """Render what makes a real server's certificate, with its addresses, and runs its arguments."""
    names = [f"DNS:{server.name}", *(f"IP:{a}" for a in addresses)]
    return (
        _templates()
        .get_template("httpd.sh.j2")
        .render(server=server, names=names, folder=TLS_FOLDER, key=KEY, certificate=CERTIFICATE)
    )


def answer_of(address: IPv4Address, status: int) -> bytes:
    """Return the page of :func:`page_of` with another status, as mod_asis reads it.

    By mod_asis and not by mod_rewrite's R: that knows registered statuses only, and its page
    would not have the digest of the lab's.
    """
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Wanted by a check"
    elsewhere = "Location: http://elsewhere.invalid/\n" if status // 100 == 3 else ""
    head = f"Status: {status} {phrase}\n{elsewhere}Content-Type: text/plain\n\n"
    return head.encode() + page_of(address)


def pattern(path: str) -> str:
    """Return a regular expression for exactly this path, as Apache's configuration takes it.

    Nothing is escaped by a backslash that a quoted word, or a variable, would be changed by.
    """
    plain = frozenset(b"/_-~=&;,:@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    return "".join(chr(b) if b in plain else f"\\x{b:02x}" for b in path.encode())


def comment(text: str) -> str:
    """Return a text that can stand in a comment of Apache's configuration, which is one line."""
    return ascii(text)[1:-1].rstrip("\\")


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
    environment.filters["pattern"] = pattern
    environment.filters["comment"] = comment
    return environment
