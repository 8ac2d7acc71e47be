"""Topologies of each way of forwarding, and what is exported of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from lvslab.export import ExportedFile, export
from lvslab.resources import data_dir
from lvslab.topology import loads
from lvslab.topology.spec import TopologySpec

TOPOLOGIES = data_dir("topologies")
#: As alike as they can be, and with what the shipped ones have not: UDP, a sorry server, a port
#: that is checked, a real server that serves nothing, three directors, sysctls of their own.
RICH = """\
network: {{subnet: 10.9.0.0/24}}
{inside}
directors: [lvs1, lvs2, lvs3]
real_servers: [rs1, rs2, sorry, idle]
vip: [10.9.0.100, 10.9.0.101]
director_sysctls: {{net.ipv4.vs.conntrack: "1"}}
virtual_servers:
  - vip: 10.9.0.100
    forwarding: {way}
    check: {{type: TCP_CHECK, connect_port: 8081}}
    real_servers: {{rs1: {{}}, rs2: {port}}}
    sorry_server: sorry
  - {{vip: 10.9.0.101, port: 53, protocol: UDP, forwarding: {way}, check: DNS_CHECK,
     real_servers: [rs1]}}
"""
RICHES = {
    "NAT": RICH.format(
        way="NAT",
        port="{port: 8080}",
        inside="inside: {subnet: 192.168.6.0/23, gateway: 192.168.6.125}",
    ),
    "TUN": RICH.format(way="TUN", port="{}", inside=""),
    "DR": RICH.format(way="DR", port="{}", inside=""),
}
SHIPPED = sorted(TOPOLOGIES.glob("*.yaml"))
TEXTS = {p.stem: p.read_text() for p in SHIPPED} | {f"rich-{w}": t for w, t in RICHES.items()}
#: Where the interfaces have other names than in the lab.
OTHERS = {"NAT": {"interface": "ens3", "inside_interface": "ens4"}}


@cache
def rich(way: str) -> TopologySpec:
    return loads(RICHES[way], f"rich-{way.lower()}")


def files_of(spec: TopologySpec, **more: Any) -> dict[str, ExportedFile]:
    return {str(f.path): f for f in export(spec, dockerfile="FROM debian\n", **more)}


def text_of(spec: TopologySpec, path: str, **more: Any) -> str:
    return files_of(spec, **more)[path].content
