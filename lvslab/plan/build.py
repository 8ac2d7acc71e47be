"""Topology -> plan: what must exist because of it. Pure: no Docker, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from lvslab import __version__, labels, topology
from lvslab.plan import describe, render
from lvslab.plan.model import (
    AGENT_HOME,
    NODE_FILE,
    FilePlan,
    InterfacePlan,
    NetworkPlan,
    NodePlan,
    Plan,
    Role,
)
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    RealServerSpec,
    TopologySpec,
    VirtualServerSpec,
)

KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
HTTPD_CONF = "/etc/lvslab/httpd.conf"
COMMAND = ("/usr/bin/env", f"PYTHONPATH={AGENT_HOME}", "python3", "-u", "-m", "agent")

#: A real server has the VIP on lo and must not say so: it answers ARP only for addresses of
#: the interface asked on, and asks with the address of that interface. ``all`` is enough,
#: the kernel takes the larger of it and the interface's own (ip-sysctl.rst). Given at
#: creation, they hold before eth0 or the VIP exist.
REAL_SERVER_SYSCTLS = (
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.all.arp_ignore", "1"),
)


def make_plan(spec: TopologySpec, lab: str, *, agent_files: tuple[FilePlan, ...]) -> Plan:
    """Work out everything that the lab ``lab`` of this topology consists of.

    ``agent_files`` is what :func:`lvslab.plan.agentfiles.agent_files` returned. The digest
    of a node changes when, and only when, that node must be replaced; the labels TOPOLOGY
    and VERSION on it may therefore be those of the ``up`` that made it.
    """
    network = _network(spec, lab)
    nodes = tuple(
        _finish(node, agent_files, spec, lab)
        for node in (
            *(_director(spec, lab, network, d) for d in spec.directors),
            *(_real_server(spec, lab, network, r) for r in spec.real_servers),
            *(_client(spec, lab, network, c) for c in spec.clients),
        )
    )
    digest = describe.sha256(
        {"networks": [describe.network_dict(network)], "nodes": [n.digest for n in nodes]}
    )
    return Plan(lab, (network,), nodes, digest)


def _network(spec: TopologySpec, lab: str) -> NetworkPlan:
    network = NetworkPlan(
        name=f"lvslab-{lab}-{spec.network.name}",
        subnet=spec.network.subnet,
        gateway=spec.network.gateway,
        reserved=tuple((f"vip-{v}", v) for v in spec.vips if v in spec.network.subnet),
        labels=(),
    )
    own = {
        labels.PLAN: describe.sha256(describe.network_dict(network)),
        labels.SOURCE: topology.to_json(spec),
    }
    return replace(network, labels=_labels(spec, lab, own))


def _director(spec: TopologySpec, lab: str, network: NetworkPlan, me: DirectorSpec) -> NodePlan:
    keepalived = {
        "name": "keepalived",
        "argv": ["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_CONF],
        "ready": {"vrrp": len(render.instances_of(spec, me))},
    }
    description = _description(lab, me.name, "director", spec.vips) | {
        "services": [keepalived],
        "vrrp_fifo": render.VRRP_FIFO,
        "lvs_fifo": render.LVS_FIFO,
        "virtual_servers": _virtual_servers(spec.virtual_servers),
    }
    node = _node(spec, lab, network, "director", me.name, me.address, description)
    conf = FilePlan(KEEPALIVED_CONF, render.keepalived_conf(spec, me).encode())
    return replace(
        node,
        cap_add=("NET_ADMIN", "NET_RAW"),
        sysctls=tuple(sorted(spec.director_sysctls)),
        files=(*node.files, conf),
    )


def _real_server(
    spec: TopologySpec, lab: str, network: NetworkPlan, me: RealServerSpec
) -> NodePlan:
    serves = tuple(vs for vs in spec.virtual_servers if _ports(vs, me.name))
    ports, vips = ports_of(spec, me.name), vips_of(spec, me.name)
    httpd = {
        "name": "httpd",
        "argv": ["apache2", "-D", "FOREGROUND", "-f", HTTPD_CONF],
        "ready": {"listen": list(ports)},
    }
    description = _description(lab, me.name, "real-server", vips) | {
        "lo_vips": [str(v) for v in vips],
        "services": [httpd] if ports else [],
        "virtual_servers": _virtual_servers(serves),
    }
    node = _node(spec, lab, network, "real-server", me.name, me.address, description)
    files = (
        FilePlan(HTTPD_CONF, render.httpd_conf(me, ports).encode()),
        FilePlan(f"{render.DOCROOT}/index.html", render.page_of(me.address)),
    )
    return replace(
        node,
        cap_add=("NET_ADMIN",),
        sysctls=REAL_SERVER_SYSCTLS,
        files=(*node.files, *(files if ports else ())),
    )


def _client(spec: TopologySpec, lab: str, network: NetworkPlan, me: ClientSpec) -> NodePlan:
    description = _description(lab, me.name, "client", spec.vips)
    return _node(spec, lab, network, "client", me.name, me.address, description)


def ports_of(spec: TopologySpec, server: str) -> tuple[int, ...]:
    """Return the TCP ports at which a real server's httpd listens."""
    found: set[int] = set()
    for vs in spec.virtual_servers:
        if vs.protocol == "TCP":
            found |= _ports(vs, server)
        else:
            # A check of a UDP service connects by TCP, to a port of its own.
            checks = (m.check for m in vs.members if m.server == server)
            found |= {c.connect_port for c in checks if c is not None and c.connect_port}
    return tuple(sorted(found))


def vips_of(spec: TopologySpec, server: str) -> tuple[IPv4Address, ...]:
    """Return the VIPs that a real server has on lo."""
    serves = (vs for vs in spec.virtual_servers if _ports(vs, server))
    return tuple(dict.fromkeys(vs.vip for vs in serves))


def _ports(vs: VirtualServerSpec, server: str) -> set[int]:
    """Return the ports at which a virtual server, its checks included, wants a real server."""
    ports = {m.port for m in vs.members if m.server == server}
    for member in vs.members:
        if member.server == server and member.check and member.check.connect_port:
            ports.add(member.check.connect_port)
    if vs.sorry_server is not None and vs.sorry_server.server == server:
        ports.add(vs.sorry_server.port)
    return ports


def _virtual_servers(served: Iterable[VirtualServerSpec]) -> list[dict[str, Any]]:
    return [{"vip": str(vs.vip), "port": vs.port, "protocol": vs.protocol} for vs in served]


def _description(lab: str, name: str, role: Role, vips: tuple[IPv4Address, ...]) -> dict[str, Any]:
    """Return the part of node.json (docs/agent.md) that every role has."""
    return {
        "node": name,
        "role": role,
        "lab": lab,
        "interface": render.INTERFACE,
        "vips": [str(v) for v in vips],
        "lo_vips": [],
        "services": [],
        "vrrp_fifo": None,
        "lvs_fifo": None,
        "virtual_servers": [],
    }


def _node(
    spec: TopologySpec,
    lab: str,
    network: NetworkPlan,
    role: Role,
    name: str,
    address: IPv4Address,
    description: dict[str, Any],
) -> NodePlan:
    text = json.dumps(description, indent=2) + "\n"
    return NodePlan(
        name=name,
        role=role,
        container=f"{lab}-{name}",
        hostname=name,
        debian=spec.debian,
        interfaces=(InterfacePlan(network.name, address),),
        cap_add=(),
        sysctls=(),
        files=(FilePlan(NODE_FILE, text.encode()),),
        command=COMMAND,
        labels=(),
        digest="",
    )


def _finish(
    node: NodePlan, agent_files: tuple[FilePlan, ...], spec: TopologySpec, lab: str
) -> NodePlan:
    """Add the agent, the digest over all of it, and the labels."""
    files = tuple(sorted((*node.files, *agent_files), key=lambda f: f.path))
    node = replace(node, files=files)
    digest = describe.sha256(describe.node_dict(node))
    own = {labels.NODE: node.name, labels.ROLE: node.role, labels.PLAN: digest}
    return replace(node, digest=digest, labels=_labels(spec, lab, own))


def _labels(spec: TopologySpec, lab: str, own: dict[str, str]) -> tuple[tuple[str, str], ...]:
    everywhere = {
        labels.LAB: lab,
        labels.TOPOLOGY: topology.digest(spec),
        labels.VERSION: __version__,
    }
    return tuple(sorted((everywhere | own).items()))
