"""User models to a TopologySpec with every blank filled in, or everything that contradicts."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network

from lvslab.topology.context import Context
from lvslab.topology.models import Topology
from lvslab.topology.problems import TopologyProblems, plural, shown
from lvslab.topology.resolve_inside import inside_network, inside_subnet, one_way, room
from lvslab.topology.resolve_pools import virtual_servers
from lvslab.topology.resolve_vrrp import Vips, claim_vips, vrrp_instances
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    NetworkSpec,
    RealServerSpec,
    TopologySpec,
)
from lvslab.topology.values import NAME_MAX, RESERVED
from lvslab.topology.yamltree import Document, Path

DEFAULT_SUBNET = IPv4Network("172.20.0.0/16")
#: Where each role's addresses begin, so that one more director does not move the real
#: servers. Only in subnets that have room for it.
_FIRST = {"directors": 1, "real_servers": 10, "clients": 200}
_WORD = {"directors": "director", "real_servers": "real server", "clients": "client"}


def resolve(model: Topology, document: Document, name: str) -> TopologySpec:
    """Return the topology with every blank filled in.

    ``name`` is used where the file names none. Raises TopologyProblems with everything that
    contradicts itself in the file.
    """
    context = Context(document, model, model.network.subnet or DEFAULT_SUBNET)
    _names(context)
    addresses: dict[str, IPv4Address] = {}
    vips = Vips.of(model)
    subnet = inside_subnet(context)
    inside, behind = None, dict[str, IPv4Address]()
    if _room(context, vips, subnet is not None) and (subnet is None or room(context, subnet)):
        claim_vips(context, vips)
        _explicit(context, addresses, subnet)
        gateway = _gateway(context)
        if subnet is not None:
            inside, behind = inside_network(context, subnet)
        _assign(context, addresses, subnet)
        instances = vrrp_instances(context, vips, addresses)
        servers = virtual_servers(context, vips, addresses)
        one_way(context, instances, servers)
    if context.problems:
        raise TopologyProblems(context.problems)
    lab = model.name or name
    return TopologySpec(
        name=lab,
        debian=model.debian,
        network=NetworkSpec(model.network.name or lab, context.subnet, gateway),
        directors=tuple(
            DirectorSpec(
                name=n,
                address=addresses[n],
                router_id=d.router_id or n,
                raw=d.raw,
                definitions=d.definitions,
                inside=behind.get(n),
                files=tuple(sorted(d.files.items())),
            )
            for n, d in model.directors.items()
        ),
        real_servers=tuple(RealServerSpec(n, addresses[n]) for n in model.real_servers),
        clients=tuple(ClientSpec(n, addresses[n]) for n in model.clients),
        vrrp_instances=instances,
        virtual_servers=servers,
        global_raw=model.global_raw,
        director_sysctls=tuple(sorted(model.director_sysctls.items())),
        inside=inside,
    )


def name_from(text: str) -> str:
    """Return a lab name made from any text, such as a file's name."""
    name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", text).strip("-_.")[:NAME_MAX]
    return f"{name or 'a'}-lab" if not name or name.casefold() in RESERVED else name


def _nodes(model: Topology) -> list[tuple[Path, str, str, IPv4Address | None]]:
    """Return path, role, name and wanted address of every node."""
    return [
        ((role, name), role, name, node.address)
        for role in _FIRST
        for name, node in getattr(model, role).items()
    ]


def _names(context: Context) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for path, role, name, _ in _nodes(context.model):
        other = seen.setdefault(name.casefold(), (name, _WORD[role]))
        if other[0] != name:
            context.bad(path, f"'{name}' and '{other[0]}' differ in case only", key=True)
        elif other[1] != _WORD[role]:
            context.bad(path, f"'{name}' is a {other[1]} already", key=True)
    for sysctl in context.model.director_sysctls:
        # Docker sets only what belongs to the container's own network namespace.
        if not re.fullmatch(r"net\.[a-zA-Z0-9_./-]+", sysctl):
            context.bad(
                ("director_sysctls", sysctl),
                f"sysctl {shown(sysctl)} cannot be set in a container: only net.* can",
                key=True,
            )


def _room(context: Context, vips: Vips, servers_inside: bool) -> bool:
    model, subnet = context.model, context.subnet
    hosts = max(subnet.num_addresses - 2, 0)
    counts = [
        (len(getattr(model, role)), word)
        for role, word in _WORD.items()
        if not (servers_inside and role == "real_servers")
    ]
    counts.append((len({vip for vip, _, _ in vips.all}), "VIP"))
    needed = sum(count for count, _ in counts) + 1
    if needed <= hosts:
        return True
    parts = ", ".join(plural(count, word) for count, word in counts)
    context.bad(
        ("network", "subnet"),
        f"subnet {subnet} is too small: {plural(hosts, 'address')} for hosts, {needed} are needed "
        f"({parts}, the gateway)",
    )
    return False


def _explicit(
    context: Context, addresses: dict[str, IPv4Address], inside: IPv4Network | None
) -> None:
    gateway = context.model.network.gateway
    if gateway is not None:
        context.claim(gateway, "the gateway", ("network", "gateway"))
    for path, role, name, address in _nodes(context.model):
        if address is not None:
            where = inside if role == "real_servers" else None
            context.claim(address, f"{_WORD[role]} '{name}'", (*path, "address"), where)
            addresses[name] = address


def _gateway(context: Context) -> IPv4Address:
    gateway = context.model.network.gateway
    if gateway is None:
        gateway = context.last_free(context.subnet)
        context.used[gateway] = "the gateway"
    return gateway


def _assign(
    context: Context, addresses: dict[str, IPv4Address], inside: IPv4Network | None
) -> None:
    """Give the nodes that name no address one each, always the same for the same file."""
    for role, first in _FIRST.items():
        network = inside if inside is not None and role == "real_servers" else context.subnet
        blank = [n for _, of, n, address in _nodes(context.model) if of == role and address is None]
        for name, address in context.free(blank, network, first):
            addresses[name] = address
            context.used[address] = f"{_WORD[role]} '{name}'"
