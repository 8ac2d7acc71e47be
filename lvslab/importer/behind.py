"""The network behind the directors of NAT, worked out of what the files say of addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lvslab.conf.models import Instance, Vip
from lvslab.conf.values import ipv4
from lvslab.importer.addresses import around, network_of_most, own_addresses
from lvslab.importer.model import ImportProblem, Source
from lvslab.importer.pools import forwarding
from lvslab.importer.twins import Twins
from lvslab.topology.resolve_inside import DEFAULT_INSIDE

#: The longest prefix that a network of real servers is taken to have: a VIP's says nothing of it.
_NETWORK = 24
#: Tried where ``--subnet`` leaves less than that.
_NARROWER = range(25, 29)


@dataclass(frozen=True, slots=True)
class Found:
    """What the files say of both networks."""

    #: Real and sorry servers, in the order of the files.
    servers: tuple[IPv4Address, ...]
    #: The VIPs of its virtual servers.
    served: tuple[IPv4Address, ...]
    #: VIPs in the real servers' network that nothing is served at; the first is the gateway.
    gateways: tuple[IPv4Address, ...]
    #: Every other VIP, and the addresses that directors send their adverts from.
    others: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class Networks:
    """The two networks of the lab."""

    outer: IPv4Network
    inside: IPv4Network
    #: Whether the inside one is in no file: in those its addresses are in the outer one.
    made_up: bool = False


def first_method(twins: Twins) -> str | None:
    """Return how the lab forwards: as the first virtual server that can be in it."""
    servers = (vs for s in twins.sources for vs in s.config.view.virtual_servers)
    return next((method for vs in servers if (method := forwarding(vs))), None)


def holders(twins: Twins) -> dict[str, str]:
    """Return which instance holds each VIP."""
    held: dict[str, str] = {}
    for instance, vip in _vips(twins.sources):
        held.setdefault(vip.ip, instance.name)
    return held


def found(twins: Twins) -> Found:
    """Look at all files; the virtual servers that the lab has no place for are out of them."""
    servers: dict[IPv4Address, None] = {}
    served: dict[IPv4Address, None] = {}
    for source in twins.sources:
        for vs in source.config.view.virtual_servers:
            if forwarding(vs) == "NAT":
                served |= dict.fromkeys(_ipv4([vs.target]))
                sorry = [vs.sorry[0]] if vs.sorry else []
                servers |= dict.fromkeys(_ipv4([*(r.address for r in vs.real_servers), *sorry]))
    devices = _devices(twins.given)
    wanted = {v.target for s in twins.sources for v in s.config.view.virtual_servers}
    outside = {devices.get(str(a)) for a in served}
    # What no instance of the files has says nothing of interfaces.
    inner = set() if None in outside else set(devices.values()) - outside
    gateways: dict[IPv4Address, None] = {}
    others: dict[IPv4Address, None] = {}
    held = holders(twins)
    likely = {held.get(str(a)) for a in list(served)[:1]}
    for _, vip in sorted(_vips(twins.sources), key=lambda v: v[0].name not in likely):
        if not isinstance(vip.address, IPv4Interface):
            continue
        near = IPv4Network((vip.address.ip, min(vip.address.network.prefixlen, _NETWORK)), False)
        apart = devices.get(vip.ip) in inner or not any(a in near for a in served)
        alone = vip.ip not in wanted and vip.address.ip not in servers
        if alone and apart and any(a in near for a in servers):
            gateways[vip.address.ip] = None
        else:
            others[vip.address.ip] = None
    own = [a for s in twins.sources for a in own_addresses(s)]
    return Found(
        tuple(servers),
        tuple(served),
        tuple(gateways),
        tuple(dict.fromkeys([*served, *others, *own])),
    )


def device(given: Source, address: IPv4Address) -> str | None:
    """Return the interface on which a director's own file has an address."""
    return _devices([given]).get(str(address))


def networks(seen: Found, subnet: IPv4Network | None) -> Networks:
    """Return two networks that do not overlap. Raises ImportProblem.

    ``subnet`` is what the user wants the outer one to be. The real servers stay in their own
    network where that can be; the VIPs come first.
    """
    inner = (*seen.servers, *seen.gateways[:1])
    whole = _smallest(inner)
    if not all(a in whole for a in seen.served):
        outside = [a for a in seen.others if a not in whole]
        for outer in (subnet,) if subnet else (_smallest(outside), _smallest(seen.served[:1])):
            if not outer.overlaps(whole):
                return Networks(outer, whole)
    outer = subnet or _smallest(seen.others)
    for length in _NARROWER if subnet else ():
        narrow = IPv4Network((inner[0], length), strict=False)
        edges = (narrow.network_address, narrow.broadcast_address)
        if not narrow.overlaps(outer) and all(a in narrow and a not in edges for a in inner):
            return Networks(outer, narrow)
    rest = [a for a in inner if a not in outer]
    if rest and not (some := _smallest(rest)).overlaps(outer):
        return Networks(outer, some)
    return Networks(outer, _another(outer, len(inner)), made_up=True)


def _another(outer: IPv4Network, count: int) -> IPv4Network:
    """Return a network with room for that many real servers, apart from the outer one."""
    # Directors, the gateway and the engine's bridge are in it, too.
    length = min(_NETWORK, 32 - (2 * count + 16).bit_length())
    for base in (DEFAULT_INSIDE.network_address, IPv4Address("192.168.240.0")):
        network = IPv4Network((base, length), strict=False)
        if not network.overlaps(outer):
            return network
    raise ImportProblem(
        f"no network for the real servers is apart from {outer}",
        where=str(outer),
        fix="give a smaller one with --subnet",
    )


def _smallest(addresses: Sequence[IPv4Address]) -> IPv4Network:
    try:
        return around(addresses)
    except ImportProblem:
        return network_of_most(addresses)


def _vips(sources: Iterable[Source]) -> Iterator[tuple[Instance, Vip]]:
    for source in sources:
        for instance in source.config.view.instances:
            for vip in instance.vips:
                yield instance, vip


def _devices(given: Iterable[Source]) -> dict[str, str]:
    """Return the interface of each VIP, as the files have it."""
    return {vip.ip: vip.dev or instance.interface for instance, vip in _vips(given)}


def _ipv4(texts: Iterable[str]) -> list[IPv4Address]:
    return [a for t in texts if (a := ipv4(t)) is not None]
