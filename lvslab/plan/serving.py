"""Which programs of a real server answer, at which ports. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from lvslab.topology.spec import CheckSpec, Protocol, TopologySpec
from lvslab.topology.spoken import UDP_CHECKS, asked_port, dns_ports

#: What keepalived sends where a UDP_CHECK has no payload (layer4.c, set_buf() and UDP_BUFSIZE).
_OWN_PAYLOAD = (b"keepalived check - " * 2)[:32]
#: keepalived's default of max_reply_length (check_udp.c, udp_check_handler()).
_MAX_REPLY = 255
#: The service that answers datagrams, where a real server has one.
UDP_SERVICE = "udp"


def httpd_ports(spec: TopologySpec, server: str) -> tuple[int, ...]:
    """Return the TCP ports at which a real server's httpd listens."""
    return tuple(sorted(_ports(spec, server, "TCP") - dns_ports(spec.virtual_servers)))


def dns_at(spec: TopologySpec, server: str) -> tuple[int, ...]:
    """Return the ports, UDP and TCP, at which a real server has a DNS server."""
    wanted = _ports(spec, server, "TCP") | _ports(spec, server, "UDP")
    return tuple(sorted(wanted & dns_ports(spec.virtual_servers)))


def dns_services(spec: TopologySpec, server: str) -> tuple[str, ...]:
    """Return the names of a real server's DNS services, one for each of :func:`dns_at`."""
    ports = dns_at(spec, server)
    return tuple(f"dns-{port}" if i else "dns" for i, port in enumerate(ports))


def datagrams_at(spec: TopologySpec, server: str) -> tuple[int, ...]:
    """Return the UDP ports at which a real server answers whatever comes."""
    return tuple(sorted(_ports(spec, server, "UDP") - dns_ports(spec.virtual_servers)))


def dns_argv(port: int, address: IPv4Address) -> list[str]:
    """Return the command of a DNS server that answers any name with one address.

    ``--address=/#/`` is every name (dnsmasq(8)); with ``--local=/#/`` another record type is
    answered, too: with nothing and NOERROR, which is all that DNS_CHECK looks at (check_dns.c,
    dns_recv_thread()); else it would be REFUSED for want of a server to ask.
    """
    return [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
        "--user=nobody",
        "--cache-size=0",
        "--log-facility=-",
        f"--port={port}",
        f"--address=/#/{address}",
        "--local=/#/",
    ]


def datagram_words(spec: TopologySpec, server: str) -> list[str]:
    """Return the ports as :mod:`lvslab.agent.datagrams` takes them, with what checks want."""
    wanted: dict[int, dict[str, str]] = {port: {} for port in datagrams_at(spec, server)}
    for vs in spec.virtual_servers:
        for member in vs.members:
            check = member.check
            if member.server == server and check is not None and check.kind == "UDP_CHECK":
                known = wanted.get(asked_port(member))
                if known is not None and isinstance(check.require_reply, str):
                    known[check.payload or _OWN_PAYLOAD.hex()] = _reply(check, check.require_reply)
    return [
        ":".join([str(port), *(f"{payload}={reply}" for payload, reply in known.items())])
        for port, known in wanted.items()
    ]


def udp_services(spec: TopologySpec, server: str, address: IPv4Address) -> list[dict[str, Any]]:
    """Return the services, as node.json has them, of a real server that speak other than HTTP."""
    services: list[dict[str, Any]] = [
        {
            "name": name,
            "argv": dns_argv(port, address),
            "ready": {"listen": [port], "udp": [port]},
        }
        for name, port in zip(dns_services(spec, server), dns_at(spec, server), strict=True)
    ]
    ports = datagrams_at(spec, server)
    if ports:
        words = datagram_words(spec, server)
        argv = ["python3", "-u", "-m", "agent.datagrams", str(address), *words]
        services.append({"name": UDP_SERVICE, "argv": argv, "ready": {"udp": list(ports)}})
    return services


def _ports(spec: TopologySpec, server: str, protocol: Protocol) -> set[int]:
    """Return the ports of one protocol at which something of a real server is asked."""
    found: set[int] = set()
    for vs in spec.virtual_servers:
        served = vs.protocol == protocol
        for member in vs.members:
            if member.server != server:
                continue
            if served:
                found.add(member.port)
            if _asks_by(member.check) == protocol:
                found.add(asked_port(member))
        if served and vs.sorry_server and vs.sorry_server.server == server:
            found.add(vs.sorry_server.port)
    return found


def _asks_by(check: CheckSpec | None) -> Protocol | None:
    if check is None or check.kind == "MISC_CHECK":
        return None  # a script asks what it likes
    return "UDP" if check.kind in UDP_CHECKS else "TCP"


def _reply(check: CheckSpec, pattern: str) -> str:
    """Return octets that keepalived accepts (check_udp.c, check_udp_reply()).

    It compares no more than came, and minds the length.
    """
    octets = pattern.replace("x", "0")
    low = check.min_reply_length or 0
    high = _MAX_REPLY if check.max_reply_length is None else check.max_reply_length
    return octets.ljust(2 * low, "0")[: 2 * high]
