"""VRRP in the lab's words: one interface for all, IPv4, one segment, a priority for each."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from lvslab.conf.models import Instance
from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4, whole
from lvslab.importer.model import Fate, ImportProblem, Source
from lvslab.importer.twins import Twins, line

#: Whose first argument is an interface.
_OF_INTERFACE = frozenset(
    {
        "interface",
        "lvs_sync_daemon_interface",
        "lvs_sync_daemon",
        "default_interface",
        "bind_if",
        "vmac_xmit_base",
    }
)
#: What asks for something of the machine that a node of the lab does not have.
_OF_MACHINE = {
    "net_namespace": "each node of the lab is a namespace of its own",
    "net_namespace_ipvs": "each node of the lab is a namespace of its own",
    "namespace_with_ipsets": "each node of the lab is a namespace of its own",
}
_IP6 = "no IPv6 in the lab yet: import the IPv4 part, and prove IPv6 elsewhere"
#: The name of the instance for VIPs that none has.
STANDIN = "LAB"


def machine(twins: Twins, interface: str) -> None:
    """Give every interface the lab's name, and leave out what is of the machine."""
    for source in twins.sources:
        for node in list(source.config.root.walk()):
            if node.keyword in _OF_MACHINE:
                twins.drop(node, Fate.UNSUPPORTED, _OF_MACHINE[node.keyword])
                continue
            words = [w.value for w in node.words]
            if node.keyword in _OF_INTERFACE and len(words) > 1:
                words[1] = interface
            for index, word in enumerate(words[:-1]):
                if index and word == "dev":
                    words[index + 1] = interface
                elif index and word == "label" and ":" in words[index + 1]:
                    words[index + 1] = f"{interface}:{words[index + 1].partition(':')[2]}"
            if "label" in words[1:-1] and ":" not in words[index := words.index("label") + 1]:
                # That of an address without one is its interface's name.
                del words[index - 1 : index + 1]
            if words != [w.value for w in node.words]:
                twins.say(node, words, Fate.MAPPED)
            elif node.keyword == "process" and node.path() == ("vrrp_track_process",):
                _process(twins, node)


def _process(twins: Twins, node: Node) -> None:
    note = f"is keepalived in the lab, which runs no {node.arg()}: `lvslab fail` takes a node down"
    twins.say(node, ["process", "keepalived"], Fate.STUBBED, note)


def addresses_v4(twins: Twins) -> None:
    """Leave out the VIPs that are none or IPv6, and instances that have no other."""
    for source in twins.sources:
        gone = set()
        for instance in source.config.root.all("vrrp_instance"):
            blocks = instance.all("virtual_ipaddress", "virtual_ipaddress_excluded")
            kept = 0
            for vip in [c for block in blocks for c in block.children]:
                why = _no_vip(vip)
                if why:
                    twins.drop(vip, Fate.UNSUPPORTED, why)
                kept += not why
            for own in instance.all("unicast_src_ip", "mcast_src_ip"):
                if "/" in own.arg():
                    twins.say(own, [own.keyword, own.arg().split("/")[0]], Fate.MAPPED)
            for peers in instance.all("unicast_peer"):
                for peer in [p for p in peers.children if "/" in p.keyword]:
                    twins.say(peer, [peer.keyword.split("/")[0]], Fate.MAPPED)
                for peer in [p for p in peers.children if ":" in p.keyword]:
                    twins.drop(peer, Fate.UNSUPPORTED, _IP6)
            if not kept:
                gone.add(instance.arg())
                twins.drop(instance, Fate.UNSUPPORTED, "it has no IPv4 VIP")
        for group in [n for g in source.config.root.all("vrrp_sync_group") for n in g.all("group")]:
            for member in [m for m in group.children if m.keyword in gone]:
                twins.drop(member, Fate.UNSUPPORTED, "that instance is not in the lab")
            if group.parent is not None and not group.children and gone:
                twins.drop(group.parent, Fate.UNSUPPORTED, "none of its instances is in the lab")


def _no_vip(vip: Node) -> str:
    try:
        version = ip_interface(vip.keyword).version
    except ValueError:
        return "is no address: keepalived does not take it either"
    return "" if version == 4 else _IP6


def excluded(twins: Twins) -> None:
    """Make those VIPs that are not in the adverts ordinary ones."""
    for source in twins.sources:
        for instance in source.config.root.all("vrrp_instance"):
            into = instance.last("virtual_ipaddress")
            for block in instance.all("virtual_ipaddress_excluded"):
                note = "among the VIPs in the lab: they are in the adverts, too"
                for child in block.children:
                    twins.tell(child, Fate.MAPPED, note)
                if into is None:
                    twins.say(block, ["virtual_ipaddress"], Fate.MAPPED, note)
                    into = block
                    continue
                for child in block.children:
                    child.parent = into
                    into.children.append(child)
                twins.drop(block, Fate.MAPPED, note)


def vips(twins: Twins) -> None:
    """Tell which VIPs of an instance are not all directors'. Raises ImportProblem.

    A lab has those of the first director that has the instance: it is none of these files' if
    something is served at another one.
    """
    served = set(_served(twins))
    first: dict[str, tuple[Source, Instance]] = {}
    for source in twins.sources:
        for instance in source.config.view.instances:
            other, theirs = first.setdefault(instance.name, (source, instance))
            own = {v.ip: v.node.at for v in instance.vips}
            had = {v.ip: v.node.at for v in theirs.vips}
            for ip in [i for i in own if i not in had and i in served]:
                raise ImportProblem(
                    f"vrrp_instance {instance.name} of {source.name} has {ip}, and that of "
                    f"{other.name} has {', '.join(f'{i} ({at})' for i, at in had.items())}",
                    where=str(own[ip]),
                    fix="the directors of an instance have the same VIPs: correct one of the "
                    "files; lvslab lint --node compares them",
                )
            if lacking := [i for i in had if i not in own]:
                twins.added.append(
                    f"{', '.join(lacking)} in {instance.name} of {source.name}: its file has not "
                    f"what that of {other.name} has, and a lab has one list for all"
                )


def passwords(twins: Twins) -> None:
    """Cut a password to what of it counts."""
    for source in twins.sources:
        for node in source.config.root.walk():
            if node.keyword == "auth_pass" and len(node.arg()) > 8:
                note = "cut to eight characters: of more keepalived takes no notice"
                twins.say(node, ["auth_pass", node.arg()[:8]], Fate.MAPPED, note)


def vrids(twins: Twins) -> None:
    """Give an instance another VRID where another one has it: in the lab all share a segment."""
    taken: dict[int, str] = {}
    made: dict[tuple[str, int], int] = {}
    for node, name, vrid in _vrids(twins):
        holder = taken.setdefault(vrid, name)
        if holder == name:
            continue
        used = {*taken, *(v for _, _, v in _vrids(twins))}
        free = made.setdefault((name, vrid), next(v for v in range(1, 256) if v not in used))
        taken[free] = name
        note = f"virtual_router_id {free}: in the lab {holder} is on the same segment"
        twins.say(node, ["virtual_router_id", str(free)], Fate.MAPPED, note)


def _vrids(twins: Twins) -> list[tuple[Node, str, int]]:
    found = []
    for source in twins.sources:
        for instance in source.config.root.all("vrrp_instance"):
            node = instance.last("virtual_router_id")
            vrid = whole(node.arg()) if node else None
            if node is not None and vrid is not None:
                found.append((node, instance.arg(), vrid))
    return found


def priorities(twins: Twins) -> None:
    """Give each director of an instance a priority of its own, 254 at most.

    Of two with the same one keepalived takes the higher address, and a lab has to know which.
    """
    for name, parts in _by_instance(twins).items():
        used: set[int] = set()
        for _, node, instance in sorted(parts, key=lambda p: (-p[2].priority, -p[0])):
            wanted = min(instance.priority, 254)
            free = next((p for p in range(wanted, 0, -1) if p not in used), wanted)
            if free == instance.priority:
                used.add(free)
                continue
            line_ = node.last("priority") or line(node, "priority", str(free))
            note = f"priority {free}: the lab has 1 to 254, and none twice in {name}"
            if instance.priority in used:
                note += "; of equal ones keepalived has the higher address win"
            used.add(free)
            twins.say(line_, ["priority", str(free)], Fate.MAPPED, note)


def _by_instance(twins: Twins) -> dict[str, list[tuple[int, Node, Instance]]]:
    found: dict[str, list[tuple[int, Node, Instance]]] = {}
    for index, source in enumerate(twins.sources):
        own = next((i.unicast_src for i in source.config.view.instances if i.unicast_src), "")
        address = source.address or ipv4(own.split("/")[0])
        # Where no address is known the directors get theirs in order, the first the lowest.
        rank = int(address) if address else len(twins.sources) - index
        for instance in source.config.view.instances:
            found.setdefault(instance.name, []).append((rank, instance.node, instance))
    return found


def unheld(twins: Twins, interface: str) -> None:
    """Add an instance for the addresses of virtual servers that no instance holds."""
    held = {v.ip for s in twins.sources for i in s.config.view.instances for v in i.vips}
    lacking = list(dict.fromkeys(a for a in _served(twins) if a not in held))
    if not lacking:
        return
    free = next(v for v in range(51, 256) if v not in {vrid for _, _, vrid in _vrids(twins)})
    for index, source in enumerate(twins.sources):
        instance = line(source.config.root, "vrrp_instance", STANDIN, block=True)
        line(instance, "interface", interface)
        line(instance, "virtual_router_id", str(free))
        line(instance, "priority", str(100 - index))
        block = line(instance, "virtual_ipaddress", block=True)
        for address in lacking:
            line(block, f"{address}/32", "dev", interface)
    twins.added.append(
        f"vrrp_instance {STANDIN} with {', '.join(lacking)}: no instance of the files holds it"
    )


def _served(twins: Twins) -> Iterator[str]:
    for source in twins.sources:
        for vs in source.config.view.virtual_servers:
            if vs.of == "address" and ipv4(vs.target):
                yield vs.target
