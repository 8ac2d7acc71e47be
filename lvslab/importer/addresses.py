"""One network for all: which one, and another address for what does not fit into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network

from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4
from lvslab.importer.model import Fate, ImportProblem, Source
from lvslab.importer.pools import forwarding
from lvslab.importer.twins import Twins

_ALL = "in the lab all is one network"
_OUTER = "in the lab VIPs, clients and directors are in one network"


def around(addresses: Iterable[IPv4Address]) -> IPv4Network:
    """Return the smallest network, /24 at most, that has room for all of these."""
    found = list(addresses)
    for length in range(24, 7, -1):
        network = IPv4Network((found[0], length), strict=False)
        edges = (network.network_address, network.broadcast_address)
        if all(a in network and a not in edges for a in found):
            return network
    raise ImportProblem(
        "the addresses have no network in common",
        where=", ".join(str(a) for a in found[:4]),
        fix="DR needs one layer-2 segment; say which with --subnet",
    )


def own_addresses(source: Source) -> list[IPv4Address]:
    """Return a director's own addresses: that which its user told, and those of its adverts."""
    texts = (one.unicast_src.split("/")[0] for one in source.config.view.instances)
    told = [] if source.address is None else [source.address]
    return list(dict.fromkeys([*told, *filter(None, map(ipv4, texts))]))


def own_address(source: Source, inside: IPv4Network | None) -> IPv4Address | None:
    """Return a director's own address that is not in the ``inside`` network."""
    return next((a for a in own_addresses(source) if inside is None or a not in inside), None)


def one_network(
    twins: Twins,
    subnet: IPv4Network | None,
    *,
    method: str | None = None,
    inside: IPv4Network | None = None,
    gateway: IPv4Address | None = None,
) -> IPv4Network | None:
    """Move what lies outside the network of most addresses into it; return the network.

    None where there is no address at all. Every line that names a moved one is told. ``method`` is
    how the lab forwards: what is served in another way is not in it. With an ``inside`` network,
    that of the real servers of NAT, theirs and the gateway stay as they are.
    """
    used = [a for s in twins.sources for a in _used(s, method, inside) if a != gateway]
    used = list(dict.fromkeys(used))
    if not used:
        return subnet
    if subnet is None:
        try:
            return around(used)
        except ImportProblem:
            # Behind tunnels real servers are elsewhere: the VIPs come first, however few.
            vips = [a for s in twins.sources for a in _held(s, inside)] if method == "TUN" else []
            subnet = network_of_most(vips or used)
    there = [a for a in used if a in subnet]
    outside = [a for a in used if a not in subnet]
    if not outside:
        return subnet
    # From the end of the network: its beginning is for the nodes that no file has.
    free = (a for a in reversed(list(_hosts(subnet))) if a not in there)
    moved = {}
    for address in outside:
        new = next(free, None)
        if new is None:
            raise ImportProblem(
                f"{subnet} has no room for {len(used)} addresses",
                where=str(address),
                fix="give a larger one with --subnet",
            )
        moved[str(address)] = str(new)
    for source in twins.sources:
        for node in source.config.root.walk():
            if inside is None or node.keyword not in ("real_server", "sorry_server"):
                _move(twins, node, moved, _ALL if inside is None else _OUTER)
    return subnet


def network_of_most(used: Sequence[IPv4Address]) -> IPv4Network:
    """Return the network of those addresses that share the first two bytes with most others."""
    first = Counter(int(a) >> 16 for a in used).most_common(1)[0][0]
    return around([a for a in used if int(a) >> 16 == first])


def _hosts(subnet: IPv4Network) -> Iterable[IPv4Address]:
    """Return some 500 addresses of a network, those after which its gateway is left free."""
    last = int(subnet.broadcast_address) - 2
    first = max(int(subnet.network_address) + 1, last - 500)
    return (IPv4Address(a) for a in range(first, last + 1))


def _move(twins: Twins, node: Node, moved: dict[str, str], why: str) -> None:
    words = [w.value for w in node.words]
    for index, text in enumerate(words):
        address, slash, prefix = text.partition("/")
        if address in moved:
            words[index] = moved[address] + ("/32" if slash and prefix else "")
    if words != [w.value for w in node.words]:
        note = f"{' '.join(words)}: {why}"
        told = twins.told_of(node)
        fate = told[0] if told else Fate.MAPPED
        twins.say(node, words, fate, f"{told[1]}; {note}" if told and told[1] else note)


def _used(source: Source, method: str | None, inside: IPv4Network | None) -> Iterable[IPv4Address]:
    yield from _held(source, inside)
    texts = []
    # With NAT their VIPs are held by instances, and the rest is inside.
    for vs in source.config.view.virtual_servers if inside is None else ():
        if method is not None and forwarding(vs) == method:
            texts += [vs.target, *(r.address for r in vs.real_servers)]
            texts += [vs.sorry[0]] if vs.sorry else []
    yield from filter(None, map(ipv4, texts))


def _held(source: Source, inside: IPv4Network | None) -> Iterable[IPv4Address]:
    """Return a director's own address and those that its instances move."""
    own = own_address(source, inside)
    texts = [str(own)] if own else []
    for instance in source.config.view.instances:
        texts += [v.ip for v in instance.vips]
    yield from filter(None, map(ipv4, texts))
