"""One network for all: which one, and another address for what does not fit into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4
from lvslab.importer.model import Fate, ImportProblem, Source
from lvslab.importer.twins import Twins


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


def own_address(source: Source) -> IPv4Address | None:
    """Return a director's own address, where its file says it: for its adverts."""
    for one in source.config.view.instances:
        if one.unicast_src:
            own = ipv4(one.unicast_src.split("/")[0])
            if own is not None:
                return own
    return None


def one_network(twins: Twins, subnet: IPv4Network | None) -> IPv4Network | None:
    """Move what lies outside the network of most addresses into it; return the network.

    None where there is no address at all. Every line that names a moved one is told.
    """
    used = list(dict.fromkeys(a for s in twins.sources for a in _used(s)))
    if not used:
        return subnet
    if subnet is None:
        try:
            return around(used)
        except ImportProblem:
            subnet = _most(used)
    inside = [a for a in used if a in subnet]
    outside = [a for a in used if a not in subnet]
    if not outside:
        return subnet
    # From the end of the network: its beginning is for the nodes that no file has.
    free = (a for a in reversed(list(_hosts(subnet))) if a not in inside)
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
            _move(twins, node, moved)
    return subnet


def _most(used: list[IPv4Address]) -> IPv4Network:
    """Return the network of those addresses that share the first two bytes with most others."""
    first = Counter(int(a) >> 16 for a in used).most_common(1)[0][0]
    return around([a for a in used if int(a) >> 16 == first])


def _hosts(subnet: IPv4Network) -> Iterable[IPv4Address]:
    """Return some 500 addresses of a network, those after which its gateway is left free."""
    last = int(subnet.broadcast_address) - 2
    first = max(int(subnet.network_address) + 1, last - 500)
    return (IPv4Address(a) for a in range(first, last + 1))


def _move(twins: Twins, node: Node, moved: dict[str, str]) -> None:
    words = [w.value for w in node.words]
    for index, text in enumerate(words):
        address, slash, prefix = text.partition("/")
        if address in moved:
            words[index] = moved[address] + ("/32" if slash and prefix else "")
    if words != [w.value for w in node.words]:
        note = f"{' '.join(words)}: in the lab all is one network"
        told = twins.told_of(node)
        fate = told[0] if told else Fate.MAPPED
        twins.say(node, words, fate, f"{told[1]}; {note}" if told and told[1] else note)


def _used(source: Source) -> Iterable[IPv4Address]:
    view = source.config.view
    own = source.address or own_address(source)
    texts = [str(own)] if own else []
    for instance in view.instances:
        texts += [v.ip for v in instance.vips]
    for vs in view.virtual_servers:
        if vs.of == "address" and vs.method == "DR":
            texts += [vs.target, *(r.address for r in vs.real_servers)]
            texts += [vs.sorry[0]] if vs.sorry else []
    yield from filter(None, map(ipv4, texts))
