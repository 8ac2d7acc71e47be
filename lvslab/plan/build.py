"""Topology -> plan: what must exist because of it. Pure: no Docker, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from lvslab import __version__, labels, topology
from lvslab.plan import describe, render
from lvslab.plan.forwarding import (
    DEFAULT_GATEWAY,
    TUNNEL,
    director_sysctls,
    ports_at,
    real_server_sysctls,
    vip_device,
    vips_of,
)
from lvslab.plan.httpd import httpd_of
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
from lvslab.plan.serving import udp_services
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    RealServerSpec,
    TopologySpec,
    VirtualServerSpec,
)

KEEPALIVED_CONF = "/etc/keepalived/keepalived.conf"
COMMAND = ("/usr/bin/env", f"PYTHONPATH={AGENT_HOME}", "python3", "-u", "-m", "agent")

#: Makes the tunnel's end, then runs what it is given.
TUNNEL_SCRIPT = "/etc/lvslab/tunnel.sh"


def make_plan(spec: TopologySpec, lab: str, *, agent_files: tuple[FilePlan, ...]) -> Plan:
    """Work out everything that the lab ``lab`` of this topology consists of.

    ``agent_files`` is what :func:`lvslab.plan.agentfiles.agent_files` returned. The digest
    of a node changes when, and only when, that node must be replaced; the labels TOPOLOGY
    and VERSION on it may therefore be those of the ``up`` that made it.
    """
    network = _network(spec, lab)
    inside = _inside(spec, lab, network)
    networks = (network, *inside)
    nodes = tuple(
        _finish(node, agent_files, spec, lab)
        for node in (
            *(_director(spec, lab, networks, d) for d in spec.directors),
            *(_real_server(spec, lab, networks[-1], r) for r in spec.real_servers),
            *(_client(spec, lab, network, c) for c in spec.clients),
        )
    )
    digest = describe.sha256(
        {
            "networks": [describe.network_dict(n) for n in networks],
            "nodes": [n.digest for n in nodes],
        }
    )
    return Plan(lab, networks, nodes, digest)


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


def _inside(spec: TopologySpec, lab: str, outside: NetworkPlan) -> tuple[NetworkPlan, ...]:
    """Return the network behind the directors, where there is one.

    Engines before Docker 28 number a container's interfaces, and choose its default gateway, by
    the networks' names: so its name comes after the other's.
    """
    if spec.inside is None:
        return ()
    network = NetworkPlan(
        name=f"{outside.name}-inside",
        subnet=spec.inside.subnet,
        gateway=spec.inside.bridge,
        reserved=((DEFAULT_GATEWAY, spec.inside.gateway),),
        labels=(),
    )
    own = {labels.PLAN: describe.sha256(describe.network_dict(network))}
    return (replace(network, labels=_labels(spec, lab, own)),)


def _director(
    spec: TopologySpec, lab: str, networks: tuple[NetworkPlan, ...], me: DirectorSpec
) -> NodePlan:
    keepalived = {
        "name": "keepalived",
        "argv": ["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_CONF],
        "ready": {"vrrp": len(render.instances_of(spec, me))},
    }
    # The gateway comes and goes with the VIPs, and is keepalived's like them.
    held = spec.vips if spec.inside is None else (*spec.vips, spec.inside.gateway)
    description = _description(lab, me.name, "director", held) | {
        "services": [keepalived],
        "vrrp_fifo": render.VRRP_FIFO,
        "lvs_fifo": render.LVS_FIFO,
        "virtual_servers": _virtual_servers(spec.virtual_servers),
    }
    node = _node(spec, lab, networks[0], "director", me.name, me.address, description)
    inside = () if me.inside is None else (InterfacePlan(networks[-1].name, me.inside),)
    conf = FilePlan(KEEPALIVED_CONF, render.keepalived_conf(spec, me).encode())
    programs = (FilePlan(path, text.encode(), 0o755) for path, text in me.files)
    return replace(
        node,
        interfaces=(*node.interfaces, *inside),
        cap_add=("NET_ADMIN", "NET_RAW"),
        sysctls=director_sysctls(spec),
        files=(*node.files, conf, *programs),
    )


def _real_server(
    spec: TopologySpec, lab: str, network: NetworkPlan, me: RealServerSpec
) -> NodePlan:
    serves = tuple(vs for vs in spec.virtual_servers if ports_at(vs, me.name))
    httpd, vips = httpd_of(spec, me), vips_of(spec, me.name)
    # With NAT it has to know one neighbour only: its gateway.
    known = vips if spec.inside is None else (spec.inside.gateway,)
    description = _description(lab, me.name, "real-server", known) | {
        "lo_vips": [str(v) for v in vips] if vip_device(spec) == "lo" else [],
        "services": [
            *([httpd.service()] if httpd.ports else []),
            *udp_services(spec, me.name, me.address),
        ],
        "virtual_servers": _virtual_servers(serves),
    }
    node = _node(spec, lab, network, "real-server", me.name, me.address, description)
    node = replace(
        node,
        cap_add=("NET_ADMIN",),
        sysctls=real_server_sysctls(spec),
        files=(*node.files, *httpd.files()),
    )
    if vip_device(spec) != TUNNEL:
        return node
    script = FilePlan(TUNNEL_SCRIPT, render.tunnel_script(me, vips).encode())
    return replace(node, command=("/bin/sh", TUNNEL_SCRIPT, *COMMAND), files=(*node.files, script))


def _client(spec: TopologySpec, lab: str, network: NetworkPlan, me: ClientSpec) -> NodePlan:
    description = _description(lab, me.name, "client", spec.vips)
    return _node(spec, lab, network, "client", me.name, me.address, description)


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
