"""LVS031 to LVS049, LVS115: VIPs, peers and what goes with them."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf.errors import Position
from lvslab.conf.models import Instance, Vip
from lvslab.conf.tree import Node as Tree
from lvslab.lint.edits import drop, replaced
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import shown

#: IFNAMSIZ of the kernel, less the final NUL.
LABEL_MAX = 15


def _vips(node: Node) -> Iterator[tuple[Instance, Vip]]:
    for instance in node.view.instances:
        for vip in instance.vips:
            yield instance, vip


@rule(
    "LVS031",
    ERROR,
    "vrrp",
    "One VIP in two instances",
    why="Two instances may have two masters, and then two machines hold the address. keepalived -t "
    "says nothing about it.",
    fix="Keep the VIP in one instance.",
    source="seen with keepalived 2.2.7: -t is silent",
)
def vip_twice(node: Node) -> Iterator[Hit]:
    """The address again, prefix and device aside."""
    seen: dict[str, Instance] = {}
    for instance, vip in _vips(node):
        if vip.address is None:
            continue
        if vip.ip in seen:
            said = f"{vip.ip} is in {shown(seen[vip.ip].name)} already"
            yield Hit(vip.node.at, said)
        seen.setdefault(vip.ip, instance)


@rule(
    "LVS032",
    ERROR,
    "vrrp",
    "A label longer than 15 characters",
    why="The kernel has room for 15; keepalived or the kernel refuses the address, or cuts the "
    "label.",
    fix="Shorten it; keep the interface's name and a colon before it (eth0:1).",
    source="IFNAMSIZ in linux/if.h; ip-address(8), 'label'",
    bad="172.20.1.100/32 dev eth0 label eth0:production",
)
def long_label(node: Node) -> Iterator[Hit]:
    """By the kernel's length."""
    for _, vip in _vips(node):
        if vip.label is not None and len(vip.label) > LABEL_MAX:
            at = _word(vip.node, vip.label)
            yield Hit(
                at, f"label {shown(vip.label)} has {len(vip.label)} characters", "15 or fewer"
            )


def _word(node: Tree, value: str) -> Position:
    return next((w.at for w in reversed(node.words) if w.value == value), node.at)


@rule(
    "LVS033",
    WARNING,
    "vrrp",
    "A label that does not begin with its interface",
    why="ip and ifconfig find labelled addresses by the interface's name and a colon; others are "
    "not shown under it.",
    fix="Write the interface's name, a colon and a word: eth0:1.",
    source="ip-address(8), 'label'",
    bad="172.20.1.100/32 dev eth0 label eth1:1",
)
def foreign_label(node: Node) -> Iterator[Hit]:
    """Device or interface, then a colon."""
    for instance, vip in _vips(node):
        device = vip.dev or instance.interface
        if vip.label and device and not (vip.label == device or vip.label.startswith(f"{device}:")):
            at = _word(vip.node, vip.label)
            yield Hit(at, f"label {shown(vip.label)} is not of {device}", f"{device}:1")


@rule(
    "LVS034",
    WARNING,
    "vrrp",
    "An instance without a VIP",
    why="It guards nothing: keepalived says 'No VIP specified', unless no_virtual_ipaddress is "
    "written.",
    fix="Write virtual_ipaddress { ... }.",
    source="keepalived.conf(5), 'no_virtual_ipaddress'; vrrp_complete_instance() in vrrp.c",
)
def no_vip(node: Node) -> Iterator[Hit]:
    """None at all."""
    for instance in node.view.instances:
        if not instance.vips and not instance.has("no_virtual_ipaddress"):
            yield Hit(instance.where, f"{instance.name} has no virtual_ipaddress")


@rule(
    "LVS035",
    ERROR,
    "vrrp",
    "A VIP that is no address",
    why="keepalived says 'parsed invalid IP' and leaves it out: the rest works, this VIP never "
    "comes.",
    fix="Write ADDRESS[/PREFIX] [dev NAME] [label NAME].",
    source="seen with keepalived 2.2.7; parse_ipaddress() in vrrp_ipaddress.c",
    bad="virtual_ipaddress {\n    172.20.1.300\n}",
)
def bad_vip(node: Node) -> Iterator[Hit]:
    """Not read as an address."""
    for _, vip in _vips(node):
        if vip.address is None:
            yield Hit(vip.node.at, f"{shown(vip.text)} is no address")


@rule(
    "LVS036",
    ERROR,
    "vrrp",
    "VIPs of both families in one instance",
    why="An advert carries addresses of one family. keepalived takes the family of the first and "
    "refuses the others.",
    fix="Put those of the other family into virtual_ipaddress_excluded, or into an instance of "
    "their own.",
    source="keepalived.conf(5), 'virtual_ipaddress_excluded'; RFC 5798 section 5.2.9",
)
def mixed_families(node: Node) -> Iterator[Hit]:
    """Against the first."""
    for instance in node.view.instances:
        own = [v for v in instance.vips if v.address is not None and not v.excluded]
        for vip in own[1:]:
            if vip.address and own[0].address and vip.address.version != own[0].address.version:
                said = f"{vip.ip} is not of the family of {own[0].ip}"
                yield Hit(vip.node.at, said, "virtual_ipaddress_excluded")


@rule(
    "LVS037",
    ERROR,
    "vrrp",
    "Unicast without peers",
    why="unicast_src_ip alone changes nothing: until 2.2.4 keepalived used multicast without a "
    "word. With the other director on unicast neither hears the other: both become master.",
    fix="Write unicast_peer { ... } with the addresses of all other directors.",
    source="keepalived.conf(5), 'unicast_fault_no_peer'",
    bad="unicast_src_ip 172.20.1.1",
)
def unicast_without_peers(node: Node) -> Iterator[Hit]:
    """A source or an empty block."""
    for instance in node.view.instances:
        line = instance.node.last("unicast_src_ip") or instance.node.last("unicast_peer")
        if line is not None and not instance.peers:
            yield Hit(line.at, f"{instance.name} has no unicast_peer: it uses multicast")


@rule(
    "LVS038",
    ERROR,
    "vrrp",
    "A director that is its own unicast peer",
    why="It sends its adverts to itself, and hears them as another's of equal priority.",
    fix="List only the other directors.",
    source="keepalived.conf(5), 'unicast_peer'",
)
def own_peer(node: Node) -> Iterator[Hit]:
    """The source among the peers."""
    for instance in node.view.instances:
        block = instance.node.last("unicast_peer")
        if block is None or not instance.unicast_src:
            continue
        for child, peer in zip(block.children, instance.peers, strict=False):
            if peer == instance.unicast_src:
                said = f"{peer} is this director's own unicast_src_ip"
                yield Hit(child.at, said, "remove the line", drop(node, child))


@rule(
    "LVS039",
    WARNING,
    "vrrp",
    "preempt_delay that has no effect",
    why="It delays taking the VIP from a director of lower priority after start-up. With state "
    "MASTER the director takes it at once; with nopreempt it never takes it.",
    fix="Write state BACKUP and no nopreempt, or remove preempt_delay.",
    source="keepalived.conf(5), 'preempt_delay': 'the initial state must not be MASTER'",
    bad="state MASTER\npreempt_delay 30",
)
def useless_preempt_delay(node: Node) -> Iterator[Hit]:
    """With MASTER, or with nopreempt."""
    for instance in node.view.instances:
        if not instance.preempt_delay:
            continue
        reason = "nopreempt" if instance.nopreempt else ""
        reason = reason or ("state MASTER" if instance.state == "MASTER" else "")
        if reason:
            yield Hit(instance.at("preempt_delay"), f"preempt_delay means nothing with {reason}")


@rule(
    "LVS040",
    ERROR,
    "vrrp",
    "A state that is none",
    why="keepalived knows MASTER and BACKUP, in capitals, and takes BACKUP for anything else.",
    fix="Write MASTER or BACKUP.",
    source="vrrp_state_handler() in keepalived's vrrp_parser.c",
    bad="state master",
)
def bad_state(node: Node) -> Iterator[Hit]:
    """Neither of the two."""
    for instance in node.view.instances:
        if instance.has("state") and instance.state not in ("MASTER", "BACKUP"):
            at = instance.at("state")
            right = instance.state.upper()
            edits = replaced(node, at, right) if right in ("MASTER", "BACKUP") else ()
            yield Hit(
                at, f"state {shown(instance.state)} is unknown", right if edits else "", edits
            )


@rule(
    "LVS041",
    WARNING,
    "vrrp",
    "Priority 255 without state MASTER",
    why="255 says that this director owns the address: it never gives way. It is for a router "
    "whose own address the VIP is; with 'state BACKUP' it is master all the same, at once.",
    fix="Write a priority below 255.",
    source="RFC 5798 section 5.2.4 and 6.4.1",
)
def owner_priority(node: Node) -> Iterator[Hit]:
    """255 and BACKUP."""
    for instance in node.view.instances:
        if instance.priority == 255 and instance.state == "BACKUP":
            yield Hit(instance.at("priority"), "priority 255 is the address owner's", "1 to 254")


@rule(
    "LVS042",
    WARNING,
    "vrrp",
    "use_vmac with unicast and without vmac_xmit_base",
    why="Unicast adverts have to leave by the interface itself. keepalived 2.2.7 says so and sets "
    "vmac_xmit_base by itself; others refuse it.",
    fix="Write vmac_xmit_base.",
    source="keepalived.conf(5), 'use_vmac', NOTE 2",
)
def vmac_unicast(node: Node) -> Iterator[Hit]:
    """The pair."""
    for instance in node.view.instances:
        if instance.has("use_vmac") and instance.unicast and not instance.has("vmac_xmit_base"):
            line = instance.node.last("use_vmac")
            if line is not None:
                yield Hit(line.at, "use_vmac with unicast_peer needs vmac_xmit_base")


@rule(
    "LVS043",
    INFO,
    "vrrp",
    "The default priority",
    why="Without a priority it is 100 on every director that has none: then the higher address "
    "wins, which nobody sees in the file.",
    fix="Write priority.",
    source="keepalived.conf(5), 'priority'; RFC 5798 section 6.4.3",
)
def no_priority(node: Node) -> Iterator[Hit]:
    """Not written."""
    for instance in node.view.instances:
        if not instance.has("priority"):
            yield Hit(instance.where, f"{instance.name} has no priority: it is 100")


@rule(
    "LVS115",
    WARNING,
    "vrrp",
    "A VIP on the loopback of a director",
    why="The gratuitous ARP that tells of a takeover leaves on the VIP's own interface. On lo it "
    "reaches nobody: the clients go on sending to the old master until their ARP entries expire. "
    "Only where a routing protocol announces the VIP does that not matter.",
    fix="Name the interface that the clients are on, or none.",
    source="send_gratuitous_arp() in keepalived's vrrp_arp.c",
    bad="172.20.1.100/32 dev lo",
    good="172.20.1.100/32 dev eth0",
)
def vip_on_lo(node: Node) -> Iterator[Hit]:
    """By the VIP's own device, or that of its instance."""
    for instance, vip in _vips(node):
        if (vip.dev or instance.interface) == "lo":
            at = _word(vip.node, "lo") if vip.dev else vip.node.at
            yield Hit(at, f"{vip.ip} is on lo: nobody hears of a takeover", "dev eth0")
