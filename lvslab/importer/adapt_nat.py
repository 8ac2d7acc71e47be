"""NAT in the lab's words: the real servers' network, their gateway, and what tracks its link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from lvslab.conf.models import Instance, VirtualServer
from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4, whole
from lvslab.importer import behind
from lvslab.importer.adapt_vrrp import STANDIN
from lvslab.importer.addresses import own_addresses
from lvslab.importer.model import Fate, ImportProblem, Source
from lvslab.importer.pools import forwarding
from lvslab.importer.twins import Twins
from lvslab.plan.render import INSIDE_INTERFACE

_TRACKED = "the lab has one interface, which its instance tracks anyway"
_OWN = "an instance tracks its own interface anyway, in the lab as well"
_INSIDE = f"{INSIDE_INTERFACE}: the inside interface"
_TWO = f"the lab's directors have eth0, and {INSIDE_INTERFACE} inside"
_WEIGHT = (
    f"the lab tracks {INSIDE_INTERFACE}, and without a weight: who loses it gives the VIPs away"
)
_PORT = "the port of the virtual server: keepalived takes it as well"
_PARTED = (
    ": in the files nothing keeps the two together, and the gateway may stay where the VIPs are not"
)
_MADE_UP = (
    "{}, a network for the real servers: in the files they are on the segment of the VIPs, and in "
    "a lab behind the directors, as answers to a client of their own segment miss the director"
)


@dataclass(frozen=True, slots=True)
class Behind:
    """The real servers' network of the lab, and who of the files is in it."""

    outer: IPv4Network
    inside: IPv4Network
    #: None where no instance of the files holds one.
    gateway: IPv4Address | None
    #: The directors' own addresses in it, by name, where the files say them.
    own: Mapping[str, IPv4Address]


def nat(twins: Twins, subnet: IPv4Network | None) -> Behind | None:
    """Put the real servers behind the directors; None where the lab does not forward by NAT."""
    if behind.first_method(twins) != "NAT":
        _untracked(twins)
        return None
    holder = _one_instance(twins)
    twins.reread()
    if not holder:
        _untracked(twins)
        return None
    seen = behind.found(twins)
    if holder == STANDIN and seen.gateways:
        holder = _taken_in(twins, str(seen.gateways[0]))
        twins.reread()
    networks = behind.networks(seen, subnet)
    # Before instances go, with the addresses of their adverts.
    own = {} if networks.made_up else _own(twins, networks.inside, seen.gateways)
    moved = _moved(twins, seen, networks)
    _servers(twins, networks, moved)
    gateway = moved.get(seen.gateways[0], seen.gateways[0]) if seen.gateways else None
    if networks.made_up:
        twins.added.append(_MADE_UP.format(networks.inside))
    _tracks(twins, holder, next(iter(seen.gateways), None))
    _gateways(twins, seen, holder, gateway)
    twins.reread()
    return Behind(networks.outer, networks.inside, gateway, own)


def added(twins: Twins, there: Behind, gateway: IPv4Address) -> None:
    """Tell what of NAT the lab has and the files have not."""
    if there.gateway is None:
        twins.added.append(
            f"the real servers' gateway {gateway}, in the instance of the VIPs: no instance of the "
            "files holds an address near them"
        )
    blocks = ([n for n in s.config.root.walk() if n.parent] for s in twins.sources)
    if not all(any(n.keyword == "track_interface" for n in lines) for lines in blocks):
        twins.added.append(
            f"track_interface {INSIDE_INTERFACE}: a director that does not reach the real servers "
            "any more gives the VIPs away"
        )


def _own(
    twins: Twins, inside: IPv4Network, gateways: Sequence[IPv4Address]
) -> dict[str, IPv4Address]:
    """Return the directors' addresses in the inside network: none owns the one that moves."""
    there = {
        s.name: [a for a in own_addresses(s) if a in inside and a not in gateways]
        for s in twins.sources
    }
    return {name: addresses[0] for name, addresses in there.items() if addresses}


def _one_instance(twins: Twins) -> str:
    """Leave out what is served in another instance than the first; return the name of that."""
    held = behind.holders(twins)
    holder = ""
    for source in twins.sources:
        for vs in source.config.view.virtual_servers:
            if forwarding(vs) != "NAT":
                continue
            own = held.get(vs.target)
            if own is None:
                twins.drop_block(vs.node, Fate.UNSUPPORTED, "its VIP is no IPv4 address")
                continue
            holder = holder or own
            if own != holder:
                note = (
                    f"its VIP is in {own}, and that of the first in {holder}: the real servers of "
                    "NAT have one gateway, which goes with one of them"
                )
                twins.drop_block(vs.node, Fate.UNSUPPORTED, note)
    return holder


def _taken_in(twins: Twins, gateway: str) -> str:
    """Have VIPs that no instance of the files holds in that of the gateway; return its name.

    Two instances would leave that of the files, which is under test, without any address.
    """
    held = behind.holders(twins)
    found = [{n.arg(): n for n in s.config.root.all("vrrp_instance")} for s in twins.sources]
    name = held[gateway]
    if not all(n in nodes for nodes in found for n in (name, STANDIN)):
        return STANDIN
    vips: list[str] = []
    for nodes in found:
        lines = [n for b in nodes[STANDIN].all("virtual_ipaddress") for n in b.children]
        vips += [n.keyword.partition("/")[0] for n in lines]
        blocks = nodes[name].all("virtual_ipaddress")
        for node in lines:
            node.parent = blocks[0]
            blocks[0].children.append(node)
        twins.drop(nodes[STANDIN], Fate.MAPPED, "")
    twins.added[:] = [a for a in twins.added if not a.startswith(f"vrrp_instance {STANDIN} ")]
    twins.added.append(
        f"{', '.join(dict.fromkeys(vips))} in {name}, which has the real servers' gateway: no "
        "instance of the files holds it"
    )
    return name


def _nats(twins: Twins) -> Iterator[VirtualServer]:
    for source in twins.sources:
        yield from (v for v in source.config.view.virtual_servers if forwarding(v) == "NAT")


def _moved(
    twins: Twins, seen: behind.Found, networks: behind.Networks
) -> dict[IPv4Address, IPv4Address]:
    """Return another address for each that is not in the inside network."""
    own = {a for s in twins.sources for a in own_addresses(s)}
    taken = {*seen.servers, *seen.gateways, *own}
    moved: dict[IPv4Address, IPv4Address] = {}
    for address in (*seen.servers, *seen.gateways[:1]):
        if address not in networks.inside:
            moved[address] = _free(networks.inside, taken, address)
            taken.add(moved[address])
    return moved


def _free(network: IPv4Network, taken: set[IPv4Address], like: IPv4Address) -> IPv4Address:
    """Return an address that nobody has, with the same end if that can be."""
    hosts = network.num_addresses - 1
    start = int(like) & int(network.hostmask) & 0xFF
    for step in range(hosts):
        offset = (start + step) % network.num_addresses
        address = network.network_address + offset
        if 0 < offset < hosts and address not in taken:
            return address
    raise ImportProblem(
        f"{network} has no room for all real servers",
        where=str(like),
        fix="import a part of the virtual servers",
    )


def _servers(
    twins: Twins, networks: behind.Networks, moved: dict[IPv4Address, IPv4Address]
) -> None:
    """Give real servers their addresses; of two ports of one in a pool, each is a server."""
    taken = {a for vs in _nats(twins) for n in _lines(vs) if (a := ipv4(n.arg()))}
    taken |= {*moved.values(), *(a for s in twins.sources for a in own_addresses(s))}
    taken |= {a for h in behind.holders(twins) if (a := ipv4(h))}
    second: dict[tuple[IPv4Address, str], IPv4Address] = {}
    for vs in _nats(twins):
        pool: dict[IPv4Address, str] = {}
        for node in _lines(vs):
            address = ipv4(node.arg())
            if address is None:
                continue
            new, key = moved.get(address, address), (address, node.arg(1))
            why = "behind the directors in the lab" if new != address else _PORT
            if node.keyword == "real_server" and pool.setdefault(*key) != key[1]:
                if key not in second:
                    second[key] = _free(networks.inside, taken, new)
                    taken.add(second[key])
                new, why = second[key], "in the lab each port of it is a server of its own"
            port = node.arg(1) if whole(node.arg(1)) else str(vs.port)
            if [str(new), port] == node.args[:2]:
                continue
            told = twins.told_of(node)
            note = f"{new} {port}: {why}"
            note = f"{told[1]}; {note}" if told and told[1] else note
            words = [node.keyword, str(new), port, *node.args[2:]]
            twins.say(node, words, told[0] if told else Fate.MAPPED, note)


def _lines(vs: VirtualServer) -> list[Node]:
    return vs.node.all("real_server", "sorry_server")


def _gateways(twins: Twins, seen: behind.Found, holder: str, gateway: IPv4Address | None) -> None:
    """Have the gateway in the instance of the VIPs, and no other address of that network."""
    inside = {str(a) for a in seen.gateways}
    first = str(seen.gateways[0]) if seen.gateways else ""
    for source in twins.sources:
        for instance in source.config.view.instances:
            had = False
            for vip in [v for v in instance.vips if v.ip in inside]:
                had |= vip.ip == first
                if vip.ip != first:
                    note = f"the lab has one address there that moves, the gateway {gateway}"
                    twins.drop(vip.node, Fate.UNSUPPORTED, note)
                elif instance.name != holder:
                    note = f"the real servers' gateway: in the lab it is in {holder}, with the VIPs"
                    twins.drop(vip.node, Fate.MAPPED, note)
                else:
                    words = [f"{gateway}/32", "dev", INSIDE_INTERFACE]
                    note = f"{' '.join(words)}: the real servers' gateway"
                    _as_written(twins, vip.node, words, note)
            if inside and all(v.ip in inside for v in instance.vips) and instance.name != holder:
                _instance_gone(twins, source, instance, holder if had else "")


def _as_written(twins: Twins, node: Node, words: list[str], note: str) -> None:
    """Give a line these words; where they are its own, nothing became of it."""
    twins.put_back(node)
    if [w.value for w in node.words] != words:
        twins.say(node, words, Fate.MAPPED, note)


def _instance_gone(twins: Twins, source: Source, instance: Instance, holder: str) -> None:
    blocks = source.config.root.all("vrrp_sync_group")
    groups = [(g, [m for c in g.all("group") for m in c.children]) for g in blocks]
    fate, note = Fate.UNSUPPORTED, "its VIPs are not in the lab"
    if holder:
        note = f"the lab has the gateway in the instance of the VIPs, {holder}, and no other for it"
        names = [{m.keyword for m in members} for _, members in groups]
        if any({instance.name, holder} <= group for group in names):
            fate = Fate.MAPPED
        else:
            note += _PARTED
    twins.drop_block(instance.node, fate, note)
    for node in source.config.root.walk():
        if node.keyword == "lvs_sync_daemon" and node.arg(1) == instance.name and holder:
            words = [node.keyword, node.arg(), holder, *node.args[2:]]
            twins.say(node, words, Fate.MAPPED, " ".join(words))
    for group, members in groups:
        for member in [m for m in members if m.keyword == instance.name]:
            twins.drop(member, Fate.MAPPED, "that instance is not in the lab")
        left = [m for m in members if m.keyword != instance.name]
        if len(left) < len(members) and len(left) < 2 and not _tracking(group):
            note = "what is left of it is one instance, which moves as a whole"
            twins.drop_block(group, Fate.MAPPED, note)


def _tracking(group: Node) -> bool:
    return any(c.keyword.startswith("track_") for c in group.children)


def _tracks(twins: Twins, holder: str, gateway: IPv4Address | None) -> None:
    """Keep tracking the inside interface, which the lab does in the instance of the gateway."""
    for given, source in zip(twins.given, twins.sources, strict=True):
        own = {i.name: i.interface for i in given.config.view.instances}
        device = None if gateway is None else behind.device(given, gateway)
        for block in [n for n in source.config.root.walk() if n.keyword == "track_interface"]:
            of = block.parent
            if of is None or of.keyword != "vrrp_instance" or of.arg() != holder:
                note = f"in the lab {holder} alone tracks another interface than its own"
                twins.drop_block(block, Fate.UNSUPPORTED, note)
                continue
            had, whys = False, []
            for child in list(block.children):
                if child.keyword == own.get(holder):
                    whys.append(_OWN)
                elif had or device not in (None, child.keyword):
                    whys.append(_TWO)
                elif child.args:
                    whys.append(_WEIGHT)
                else:
                    had = True
                    _as_written(twins, child, [INSIDE_INTERFACE], _INSIDE)
                    continue
                twins.drop(child, Fate.UNSUPPORTED, whys[-1])
            if not had:
                twins.drop_block(block, Fate.UNSUPPORTED, "; ".join(dict.fromkeys(whys)))


def _untracked(twins: Twins) -> None:
    for source in twins.sources:
        for node in [n for n in source.config.root.walk() if n.keyword == "track_interface"]:
            twins.drop(node, Fate.UNSUPPORTED, _TRACKED)
