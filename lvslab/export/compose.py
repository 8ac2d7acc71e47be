"""The topology as one docker-compose.yaml, for any Docker engine whose kernel has ip_vs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lvslab import yamltext
from lvslab.export.model import ExportedFile, exported
from lvslab.plan.build import KEEPALIVED_CONF, TUNNEL_SCRIPT
from lvslab.plan.forwarding import (
    DEFAULT_GATEWAY,
    INTERFACE_NAME,
    TUNNEL,
    director_sysctls,
    real_server_sysctls,
    vip_device,
    vips_of,
)
from lvslab.plan.httpd import httpd_of
from lvslab.plan.render import INSIDE_INTERFACE, INTERFACE, RUN, keepalived_conf, tunnel_script
from lvslab.plan.serving import datagram_words, dns_argv, dns_at
from lvslab.topology.served import is_secure, path_for
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec
from lvslab.topology.spoken import language

#: The program that answers datagrams: a configuration, and where it is in a container.
_DATAGRAMS, _DATAGRAMS_AT = "datagrams", "/opt/lvslab/datagrams.py"

_HEAD = """\
# {name}, written by lvslab: docker compose up -d --build
#
# One file, complete: every node's configuration is in it (Compose {compose} or later). The engine's
# kernel must have {modules}. Nothing is privileged. To ask the VIP:
#   docker compose exec {client} curl -s {url}
# An image that is there already is taken by LVS_NODE_IMAGE=name and --no-build.
"""

#: What the engine's kernel must have, and the Compose that knows all of the file: configurations in
#: it, and with NAT an interface's name (compose-spec, 05-services.md, driver_opts of a network).
_MODULES, _COMPOSE = "ip_vs (modprobe ip_vs)", "2.23.1"
_TUNNEL_MODULES = "ip_vs and ipip (modprobe -a ip_vs ipip)"
_NAT_COMPOSE = "2.27.1"

#: The networks. Engines before Docker 28 number a container's interfaces, and choose its default
#: gateway, by the networks' names: so the inside one's comes after the other's.
_SEGMENT, _INSIDE = "segment", "segment-inside"

#: What a real server's files are called among the configs, where it is not their own name.
_NAMES = {"httpd.conf": "httpd", "index.html": "page"}


def compose_file(spec: TopologySpec, dockerfile: str) -> ExportedFile:
    """Return docker-compose.yaml: the lab as lvslab makes it, without its agent."""
    configs: dict[str, Any] = {}
    services: dict[str, Any] = {}
    for director in spec.directors:
        services[director.name] = _director(spec, director, configs)
    for server in spec.real_servers:
        services[server.name] = _real_server(spec, server, configs)
    for client in spec.clients:
        services[client.name] = _node(client.name, {_SEGMENT: _at(client.address)}) | {
            "command": ["sleep", "infinity"]
        }
    first = next(iter(services))
    services[first]["build"] = {
        "dockerfile_inline": _literal(dockerfile),
        "args": {"DEBIAN": spec.debian},
    }
    for name, service in services.items():
        if name != first:
            # One image, built once.
            service["depends_on"] = [first]
    document = {
        "name": spec.name,
        "services": services,
        "networks": _networks(spec),
        "configs": configs,
    }
    head = _HEAD.format(
        name=spec.name,
        compose=_COMPOSE if spec.inside is None else _NAT_COMPOSE,
        modules=_TUNNEL_MODULES if vip_device(spec) == TUNNEL else _MODULES,
        client=spec.clients[0].name if spec.clients else first,
        url=_url(spec),
    )
    return exported("docker-compose.yaml", head + yamltext.dump(document, width=1000))


def _url(spec: TopologySpec) -> str:
    """Return what to ask the first virtual server over HTTP for."""
    for vs in (v for v in spec.virtual_servers if language(spec, v) == "HTTP"):
        # Its certificate is made in the real server, and nobody vouches for it.
        scheme = "-k https" if is_secure(spec.virtual_servers, vs) else "http"
        return f"{scheme}://{vs.key}{path_for(spec.virtual_servers, vs)}"
    return f"http://{next(iter(spec.vips), '')}/"


def _networks(spec: TopologySpec) -> dict[str, Any]:
    # Docker must give them to nobody: the directors do.
    vips = {f"vip-{v}": v for v in spec.vips if v in spec.network.subnet}
    found = {_SEGMENT: _network(spec.network.subnet, spec.network.gateway, vips)}
    inside = spec.inside
    if inside is not None:
        # Its containers' default route, which is no address of the engine's.
        reserved = {DEFAULT_GATEWAY: inside.gateway}
        found[_INSIDE] = _network(inside.subnet, inside.bridge, reserved)
    return found


def _network(
    subnet: IPv4Network, gateway: IPv4Address, reserved: Mapping[str, IPv4Address]
) -> dict[str, Any]:
    pool = {
        "subnet": str(subnet),
        "gateway": str(gateway),
        "aux_addresses": {name: str(address) for name, address in reserved.items()},
    }
    return {"ipam": {"config": [pool]}}


def _at(address: IPv4Address, interface: str | None = None) -> dict[str, Any]:
    """Return a node's place in a network, and what its interface there is called.

    A single one is eth0 everywhere. Of several, Docker 28 and later chooses unless it is told.
    """
    named = {} if interface is None else {"driver_opts": {INTERFACE_NAME: interface}}
    return {"ipv4_address": str(address)} | named


def _node(name: str, networks: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": "${LVS_NODE_IMAGE:-lvs-node}",
        "hostname": name,
        "init": True,
        "networks": networks,
    }


def _director(spec: TopologySpec, me: DirectorSpec, configs: dict[str, Any]) -> dict[str, Any]:
    conf = f"{me.name}-keepalived"
    configs[conf] = {"content": _literal(keepalived_conf(spec, me, watched=False))}
    mounted: list[dict[str, Any]] = [{"source": conf, "target": KEEPALIVED_CONF}]
    for number, (path, text) in enumerate(me.files, 1):
        program = f"{me.name}-program{number}"
        configs[program] = {"content": text.replace("$", "$$")}
        mounted.append({"source": program, "target": path, "mode": 0o755})
    networks = {_SEGMENT: _at(me.address)}
    if me.inside is not None:
        networks = {
            _SEGMENT: _at(me.address, INTERFACE),
            _INSIDE: _at(me.inside, INSIDE_INTERFACE),
        }
    sysctls = dict(director_sysctls(spec))
    return _node(me.name, networks) | {
        "cap_add": ["NET_ADMIN", "NET_RAW"],
        **({"sysctls": sysctls} if sysctls else {}),
        "configs": mounted,
        "command": ["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_CONF],
    }


def _real_server(spec: TopologySpec, me: RealServerSpec, configs: dict[str, Any]) -> dict[str, Any]:
    httpd = httpd_of(spec, me)
    vips, device = vips_of(spec, me.name), vip_device(spec)
    service = _node(me.name, {_SEGMENT if spec.inside is None else _INSIDE: _at(me.address)})
    if device is not None:
        service |= {
            # To give itself the VIP.
            "cap_add": ["NET_ADMIN"],
            # Given at creation: they hold before the VIP is there.
            "sysctls": dict(real_server_sysctls(spec)),
        }
    start = [f"ip address replace {vip}/32 dev lo" for vip in vips] if device == "lo" else []
    before: list[str] = []
    mounted: list[dict[str, str]] = []
    if device == TUNNEL:
        name = f"{me.name}-tunnel"
        configs[name] = {"content": _literal(tunnel_script(me, vips))}
        mounted.append({"source": name, "target": TUNNEL_SCRIPT})
        before = ["/bin/sh", TUNNEL_SCRIPT]
    programs = [dns_argv(port, me.address) for port in dns_at(spec, me.name)]
    words = datagram_words(spec, me.name)
    if words:
        configs[_DATAGRAMS] = {"content": _literal(_datagrams())}
        mounted.append({"source": _DATAGRAMS, "target": _DATAGRAMS_AT})
        programs.append(["python3", "-u", _DATAGRAMS_AT, str(me.address), *words])
    for file in httpd.files():
        base = file.path.rpartition("/")[2]
        name = f"{me.name}-{_NAMES.get(base) or base.replace('.', '-')}"
        configs[name] = {"content": _literal(file.content.decode())}
        mounted.append({"source": name, "target": file.path})
    if httpd.ports:
        start.append(f"mkdir -p {RUN}")
        programs.append(list(httpd.argv))
    programs = programs or [["sleep", "infinity"]]
    # The last one is the container's; the others end with it.
    shell = "; ".join([*start, *(f"{shlex.join(p)} & true" for p in programs[:-1])])
    last = f"exec {shlex.join(programs[-1])}"
    return service | {
        **({"configs": mounted} if mounted else {}),
        "command": [*before, "sh", "-ec", f"{shell}; {last}" if shell else last],
    }


def _datagrams() -> str:
    return files("lvslab").joinpath("agent", "datagrams.py").read_text(encoding="utf-8")


def _literal(text: str) -> str:
    """Return a text that Compose's interpolation leaves as it is, in YAML's block style."""
    return "\n".join(line.rstrip() for line in text.replace("$", "$$").splitlines()) + "\n"
