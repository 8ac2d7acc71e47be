"""The httpd of a real server: over TLS or not, with which answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from lvslab.plan import render
from lvslab.plan.forwarding import ports_at
from lvslab.plan.model import FilePlan
from lvslab.plan.serving import httpd_ports
from lvslab.topology.served import path_at, statuses, tls_places
from lvslab.topology.spec import RealServerSpec, TopologySpec

HTTPD_CONF = "/etc/lvslab/httpd.conf"
#: Makes the certificate where there is none yet, then runs what it is given.
HTTPD_SCRIPT = "/etc/lvslab/httpd.sh"
_HTTPD = ("apache2", "-D", "FOREGROUND", "-f", HTTPD_CONF)


@dataclass(frozen=True, slots=True)
class Httpd:
    """The web server of one real server. Without a port there is none."""

    server: RealServerSpec
    ports: tuple[int, ...]
    #: Those of them that speak TLS.
    tls: tuple[int, ...]
    #: By port, the paths that are not answered with 200, and with what.
    odd: Mapping[int, Mapping[str, int]]
    #: The names in its certificate, beside its own.
    addresses: tuple[IPv4Address, ...]

    @property
    def argv(self) -> tuple[str, ...]:
        """How it is run."""
        return ("/bin/sh", HTTPD_SCRIPT, *_HTTPD) if self.tls else _HTTPD

    def service(self) -> dict[str, Any]:
        """Return it as the agent is told of it (docs/agent.md)."""
        first = self.ports[0]
        asked = {"port": first, "tls": first in self.tls, "path": self.path(first)}
        usual = asked == {"port": first, "tls": False, "path": "/"}
        return {
            "name": "httpd",
            "argv": list(self.argv),
            "ready": {"listen": list(self.ports)},
            # What is as ever is not written: a lab without TLS has the same plan as before.
            **({} if usual else {"ask": asked}),
        }

    def conf(self, *, odd: bool = True) -> str:
        """Return its configuration; without ``odd`` every path is answered with 200."""
        return render.httpd_conf(self.server, self.ports, tls=self.tls, odd=self.odd if odd else {})

    def files(self) -> Iterator[FilePlan]:
        """Yield all the files that it needs."""
        if not self.ports:
            return
        address = self.server.address
        yield FilePlan(HTTPD_CONF, self.conf().encode())
        yield FilePlan(f"{render.DOCROOT}/index.html", render.page_of(address))
        for status in sorted({s for paths in self.odd.values() for s in paths.values()}):
            page = render.answer_of(address, status)
            yield FilePlan(f"{render.ANSWERS}/{status}.asis", page)
        if self.tls:
            script = render.httpd_script(self.server, self.addresses)
            yield FilePlan(HTTPD_SCRIPT, script.encode())

    def path(self, port: int) -> str:
        """Return a path that a port answers with 200."""
        return path_at(self.odd.get(port, {}))


def httpd_of(spec: TopologySpec, server: RealServerSpec) -> Httpd:
    """Return the web server of a real server."""
    ports = httpd_ports(spec, server.name)
    tls = tls_places(spec.virtual_servers)
    odd = statuses(spec.virtual_servers)
    # Clients ask for the VIP, checks for its own address.
    vips = (vs.vip for vs in spec.virtual_servers if ports_at(vs, server.name))
    return Httpd(
        server,
        ports,
        tuple(p for p in ports if (server.name, p) in tls),
        {p: odd[server.name, p] for p in ports if (server.name, p) in odd},
        (server.address, *dict.fromkeys(vips)),
    )
