"""The topology as one docker-compose.yaml, for any Docker engine whose kernel has ip_vs."""

from __future__ import annotations

import shlex
from importlib.resources import files
from typing import Any

from lvslab import yamltext
from lvslab.export.model import ExportedFile, exported
from lvslab.plan.build import KEEPALIVED_CONF
from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS, vips_of
from lvslab.plan.httpd import httpd_of
from lvslab.plan.render import RUN, keepalived_conf
from lvslab.plan.serving import datagram_words, dns_argv, dns_at
from lvslab.topology.served import is_secure, path_for
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec
from lvslab.topology.spoken import language

#: The program that answers datagrams: a configuration, and where it is in a container.
_DATAGRAMS, _DATAGRAMS_AT = "datagrams", "/opt/lvslab/datagrams.py"

_HEAD = """\
# {name}, written by lvslab: docker compose up -d --build
#
# One file, complete: every node's configuration is in it (Compose 2.23.1 or later). The engine's
# kernel must have ip_vs (modprobe ip_vs). Nothing is privileged. To ask the VIP:
#   docker compose exec {client} curl -s {url}
# An image that is there already is taken by LVS_NODE_IMAGE=name and --no-build.
"""


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
        services[client.name] = _node(client.name, str(client.address)) | {
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
        "networks": {
            "segment": {
                "ipam": {
                    "config": [
                        {
                            "subnet": str(spec.network.subnet),
                            "gateway": str(spec.network.gateway),
                            # Docker must give them to nobody: the directors do.
                            "aux_addresses": {
                                f"vip-{v}": str(v) for v in spec.vips if v in spec.network.subnet
                            },
                        }
                    ]
                }
            }
        },
        "configs": configs,
    }
    head = _HEAD.format(
        name=spec.name,
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


def _node(name: str, address: str) -> dict[str, Any]:
    return {
        "image": "${LVS_NODE_IMAGE:-lvs-node}",
        "hostname": name,
        "init": True,
        "networks": {"segment": {"ipv4_address": address}},
    }


def _director(spec: TopologySpec, me: DirectorSpec, configs: dict[str, Any]) -> dict[str, Any]:
    conf = f"{me.name}-keepalived"
    configs[conf] = {"content": _literal(keepalived_conf(spec, me, watched=False))}
    mounted: list[dict[str, Any]] = [{"source": conf, "target": KEEPALIVED_CONF}]
    for number, (path, text) in enumerate(me.files, 1):
        program = f"{me.name}-program{number}"
        configs[program] = {"content": text.replace("$", "$$")}
        mounted.append({"source": program, "target": path, "mode": 0o755})
    return _node(me.name, str(me.address)) | {
        "cap_add": ["NET_ADMIN", "NET_RAW"],
        **({"sysctls": dict(spec.director_sysctls)} if spec.director_sysctls else {}),
        "configs": mounted,
        "command": ["keepalived", "-n", "-l", "-D", "-f", KEEPALIVED_CONF],
    }


def _real_server(spec: TopologySpec, me: RealServerSpec, configs: dict[str, Any]) -> dict[str, Any]:
    httpd = httpd_of(spec, me)
    service = _node(me.name, str(me.address)) | {
        "cap_add": ["NET_ADMIN"],
        # Given at creation: they hold before the VIP is there.
        "sysctls": dict(REAL_SERVER_SYSCTLS),
    }
    start = [f"ip address replace {vip}/32 dev lo" for vip in vips_of(spec, me.name)]
    mounted: list[dict[str, str]] = []
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
        "command": ["sh", "-ec", f"{shell}; {last}" if shell else last],
    }


def _datagrams() -> str:
    return files("lvslab").joinpath("agent", "datagrams.py").read_text(encoding="utf-8")


def _literal(text: str) -> str:
    """Return a text that Compose's interpolation leaves as it is, in YAML's block style."""
    return "\n".join(line.rstrip() for line in text.replace("$", "$$").splitlines()) + "\n"
