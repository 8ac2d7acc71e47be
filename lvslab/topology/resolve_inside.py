"""How a topology forwards, and the network behind the directors that NAT needs."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from lvslab.topology.context import Context
from lvslab.topology.problems import plural
from lvslab.topology.spec import InsideSpec, VirtualServerSpec, VrrpInstanceSpec

DEFAULT_INSIDE = IPv4Network("10.20.0.0/24")


def inside_subnet(context: Context) -> IPv4Network | None:
    """Return the inside network's subnet; None where nothing forwards by NAT.

    What is said of an inside network that is not there is a problem.
    """
    model = context.model
    methods = [vs.forwarding for vs in model.virtual_servers or ()]
    if "NAT" not in methods:
        hint = "'forwarding: NAT' in virtual_servers, or remove it"
        why = "is for forwarding NAT only: with DR and TUN all nodes are in one network"
        if model.inside is not None:
            context.bad(("inside",), f"'inside' {why}", hint, key=True)
        for name, director in model.directors.items():
            if director.inside is not None:
                context.bad(("directors", name, "inside"), f"'inside' {why}", hint, key=True)
        return None
    return (model.inside and model.inside.subnet) or DEFAULT_INSIDE


def room(context: Context, subnet: IPv4Network) -> bool:
    """Return whether the inside network is apart from the other, and has room for all."""
    model = context.model
    given = model.inside is not None and model.inside.subnet is not None
    if subnet.overlaps(context.subnet):
        context.bad(
            ("inside", "subnet") if given else ("network", "subnet"),
            f"the inside subnet {subnet} overlaps the subnet {context.subnet}",
            "" if given else "'inside.subnet' sets another",
        )
        return False
    hosts = max(subnet.num_addresses - 2, 0)
    counts = ((len(model.directors), "director"), (len(model.real_servers), "real server"))
    needed = sum(count for count, _ in counts) + 2
    if needed > hosts:
        parts = ", ".join(plural(count, word) for count, word in counts)
        context.bad(
            ("inside", "subnet"),
            f"inside subnet {subnet} is too small: {plural(hosts, 'address')} for hosts, {needed} "
            f"are needed ({parts}, the gateway, the engine's bridge)",
        )
        return False
    return True


def inside_network(
    context: Context, subnet: IPv4Network
) -> tuple[InsideSpec, dict[str, IPv4Address]]:
    """Return the inside network and each director's address in it; problems are noted.

    To be called when every address that the file gives to a real server has been claimed.
    """
    model = context.model
    gateway = model.inside.gateway if model.inside else None
    if gateway is not None:
        context.claim(gateway, "the real servers' gateway", ("inside", "gateway"), subnet)
    addresses: dict[str, IPv4Address] = {}
    for name, director in model.directors.items():
        if director.inside is not None:
            path = ("directors", name, "inside")
            context.claim(director.inside, f"director '{name}'", path, subnet)
            addresses[name] = director.inside
    if gateway is None:
        gateway = context.last_free(subnet)
        context.used[gateway] = "the real servers' gateway"
    bridge = context.last_free(subnet)
    context.used[bridge] = "the engine's bridge"
    blank = [name for name in model.directors if name not in addresses]
    for name, address in context.free(blank, subnet, 1):
        addresses[name] = address
        context.used[address] = f"director '{name}'"
    return InsideSpec(subnet, gateway, bridge), addresses


def one_way(
    context: Context,
    instances: Sequence[VrrpInstanceSpec],
    servers: Sequence[VirtualServerSpec],
) -> None:
    """Note virtual servers that cannot forward beside each other."""
    if context.model.virtual_servers is None:
        return
    first = servers[0] if servers else None
    holders = {v.ip: instance.name for instance in instances for v in instance.vips}
    for index, vs in enumerate(context.model.virtual_servers):
        if first is None:
            return
        if vs.forwarding != first.forwarding:
            context.bad(
                ("virtual_servers", index, "forwarding"),
                f"forwarding {vs.forwarding} beside {first.forwarding}: the real servers of a "
                "topology are reached in one way",
                "make a topology for each",
            )
            continue
        holder = holders.get(vs.vip) if vs.vip else None
        if vs.forwarding == "NAT" and holder and holder != holders.get(first.vip, holder):
            context.bad(
                ("virtual_servers", index, "vip"),
                f"the VIP {vs.vip} is held by {holder}, and {first.vip} by {holders[first.vip]}: "
                "with NAT the real servers have one gateway, which goes with one of them",
                "put both VIPs into one instance",
            )
