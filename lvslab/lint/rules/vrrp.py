"""LVS020 to LVS049: one director's VRRP instances."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf.models import Instance
from lvslab.conf.tree import Node as Tree
from lvslab.lint.edits import replaced
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, WARNING, rule
from lvslab.topology.problems import shown


def _strict(node: Node, instance: Instance) -> Tree | None:
    """Return the line that makes an instance strict."""
    if not instance.strict:
        return None
    return instance.node.last("strict_mode") or node.view.setting("vrrp_strict")


@rule(
    "LVS020",
    ERROR,
    "vrrp",
    "vrrp_strict drops all traffic to the VIP",
    why="With vrrp_strict a director whose priority is not 255 does not accept packets for the VIP "
    "(RFC 5798, Accept_Mode false): keepalived makes an nftables table that drops them. ARP is "
    "answered, and every packet is lost. As a load balancer must accept them, nothing is served.",
    fix="Remove vrrp_strict. With version 3 'accept' in the instance does it, too; with version 2 "
    "keepalived resets accept, because RFC 3768 has none.",
    source="seen with keepalived 2.2.7 ('accept mode for VRRP version 2 does not comply with "
    "RFC3768 - resetting'); keepalived.conf(5), 'vrrp_strict' and 'accept'; RFC 5798 section 6.1",
    bad="global_defs {\n    vrrp_strict\n}",
    good="global_defs {\n}",
)
def strict_drops_traffic(node: Node) -> Iterator[Hit]:
    """Once a line that makes instances strict."""
    seen = set()
    for instance in node.view.instances:
        line = _strict(node, instance)
        accepts = instance.accept and instance.version == 3
        if line is None or accepts or instance.priority == 255 or line.at in seen:
            continue
        seen.add(line.at)
        said = f"packets to the VIPs of {instance.name} (priority {instance.priority}) are dropped"
        more = ", or write 'accept' in the instance" if instance.version == 3 else ""
        yield Hit(line.at, said, f"remove the line{more}")


@rule(
    "LVS021",
    ERROR,
    "vrrp",
    "vrrp_strict with authentication",
    why="RFC 3768 took authentication out of VRRPv2, so in strict mode keepalived ignores the "
    "block. Nothing is authenticated, though it looks so; and with a director that is not strict "
    "each refuses the other's adverts.",
    fix="Remove vrrp_strict, or the authentication.",
    source="seen with keepalived 2.2.7; vrrp_complete_instance() in vrrp.c",
)
def strict_with_auth(node: Node) -> Iterator[Hit]:
    """Strict, version 2, auth_type."""
    for instance in node.view.instances:
        block = instance.node.last("authentication")
        if block is not None and instance.auth_type and _strict(node, instance) is not None:
            yield Hit(block.at, f"{instance.name} is strict: its authentication is ignored")


@rule(
    "LVS022",
    WARNING,
    "vrrp",
    "vrrp_strict with state MASTER",
    why="Strict VRRP lets only the address owner (priority 255) start as master. keepalived starts "
    "as BACKUP, and takes the VIP after three adverts and the skew time: 3.6 s at priority 100.",
    fix="Write state BACKUP, or remove vrrp_strict.",
    source="seen with keepalived 2.2.7; RFC 5798 section 6.4.1",
)
def strict_with_master(node: Node) -> Iterator[Hit]:
    """Strict, MASTER, below 255."""
    for instance in node.view.instances:
        if instance.state == "MASTER" and instance.priority < 255 and _strict(node, instance):
            said = f"{instance.name} starts as BACKUP: strict, and its priority is not 255"
            yield Hit(instance.at("state"), said, "BACKUP")


@rule(
    "LVS023",
    WARNING,
    "vrrp",
    "A VIP with a network's prefix",
    why="The VIP becomes a second address of that network on the interface: the kernel may choose "
    "it as source, and takes it away together with the primary address "
    "(unless promote_secondaries is set). A VIP needs no route of its own.",
    fix="Write the VIP with /32 (/128 for IPv6), or without a prefix.",
    source="ip-address(8), secondary addresses; Documentation/networking/ip-sysctl, "
    "promote_secondaries",
    bad="172.20.1.100/16 dev eth0",
    good="172.20.1.100/32 dev eth0",
)
def vip_prefix(node: Node) -> Iterator[Hit]:
    """A prefix shorter than the address."""
    for instance in node.view.instances:
        for vip in instance.vips:
            if vip.address is None or not vip.has_prefix or vip.excluded:
                continue
            full = vip.address.max_prefixlen
            if vip.address.network.prefixlen < full:
                right = f"{vip.address.ip}/{full}"
                network = f"/{vip.address.network.prefixlen}"
                yield Hit(vip.node.at, f"the VIP {vip.ip} has a network's prefix, {network}", right)


@rule(
    "LVS024",
    WARNING,
    "vrrp",
    "nopreempt with state MASTER",
    why="nopreempt needs state BACKUP. keepalived warns and starts as MASTER, so after a restart "
    "it takes the VIP away from the other director, which nopreempt should prevent.",
    fix="Write state BACKUP on every director.",
    source="keepalived.conf(5), 'nopreempt': 'the initial state must be BACKUP'",
    bad="state MASTER\nnopreempt",
    good="state BACKUP\nnopreempt",
)
def nopreempt_master(node: Node) -> Iterator[Hit]:
    """Both in one instance."""
    for instance in node.view.instances:
        if instance.nopreempt and instance.state == "MASTER":
            at = instance.at("state")
            said = f"{instance.name} has nopreempt, which has no effect with state MASTER"
            yield Hit(at, said, "BACKUP", replaced(node, at, "BACKUP"))


@rule(
    "LVS025",
    ERROR,
    "vrrp",
    "An advert interval that VRRP version 2 cannot say",
    why="Version 2 has whole seconds in its adverts. keepalived rounds or refuses the interval, "
    "and directors that read it differently do not agree.",
    fix="Write version 3, or whole seconds.",
    source="RFC 3768 section 5.3.7; vrrp_complete_instance() in keepalived's vrrp.c",
    bad="version 2\nadvert_int 0.5",
    good="version 3\nadvert_int 0.5",
)
def subsecond_v2(node: Node) -> Iterator[Hit]:
    """A fraction, and version 2."""
    for instance in node.view.instances:
        if instance.version == 2 and instance.advert_int % 1:
            said = f"advert_int {instance.advert_int:g} with VRRP version 2: whole seconds only"
            yield Hit(instance.at("advert_int"), said, "version 3, or whole seconds")


@rule(
    "LVS026",
    WARNING,
    "vrrp",
    "auth_pass of more than 8 characters",
    why="The field has 8 bytes; keepalived cuts the rest off. It works as long as every director "
    "cuts alike, and is no better a secret: it goes over the wire in clear.",
    fix="Write 8 characters or fewer.",
    source="RFC 2338 section 5.3.10; seen with keepalived 2.2.7: 'Truncating auth_pass to 8 "
    "characters'",
    bad="auth_pass 0123456789",
)
def long_auth_pass(node: Node) -> Iterator[Hit]:
    """By bytes."""
    for instance in node.view.instances:
        secret = instance.auth_pass.encode("utf-8", "surrogateescape")
        block = instance.node.last("authentication")
        if len(secret) > 8 and block is not None and (line := block.last("auth_pass")):
            at = line.arg_at()
            cut = instance.auth_pass[:8]
            edits = replaced(node, at, cut) if cut.isalnum() else ()
            yield Hit(at, f"auth_pass has {len(secret)} characters: 8 count", shown(cut), edits)


@rule(
    "LVS027",
    WARNING,
    "vrrp",
    "Authentication with VRRP version 3",
    why="Version 3 has none: keepalived ignores the block.",
    fix="Remove the block; protect the network instead, or use unicast with firewall rules.",
    source="RFC 5798 section 9; vrrp_complete_instance() in keepalived's vrrp.c",
)
def auth_v3(node: Node) -> Iterator[Hit]:
    """Version 3 and auth_type."""
    for instance in node.view.instances:
        block = instance.node.last("authentication")
        if instance.version == 3 and block is not None and block.children:
            yield Hit(block.at, f"{instance.name} uses version 3, which has no authentication")


@rule(
    "LVS028",
    ERROR,
    "vrrp",
    "An instance without virtual_router_id",
    why="keepalived refuses the instance: 'the virtual id must be set'.",
    fix="Write virtual_router_id: 1 to 255, the same on every director, one a group.",
    source="vrrp_complete_instance() in keepalived's vrrp.c",
)
def no_vrid(node: Node) -> Iterator[Hit]:
    """Not written at all; a wrong one is LVS010."""
    for instance in node.view.instances:
        if not instance.has("virtual_router_id"):
            yield Hit(instance.where, f"{instance.name} has no virtual_router_id")


@rule(
    "LVS029",
    ERROR,
    "vrrp",
    "An instance without interface",
    why="Without unicast keepalived does not know where to send its adverts, and refuses the "
    "instance.",
    fix="Write interface NAME.",
    source="vrrp_complete_instance() in keepalived's vrrp.c; keepalived.conf(5), 'interface'",
)
def no_interface(node: Node) -> Iterator[Hit]:
    """Not written, and no unicast."""
    for instance in node.view.instances:
        if not instance.has("interface") and not instance.unicast:
            yield Hit(instance.where, f"{instance.name} has no interface")


@rule(
    "LVS030",
    ERROR,
    "vrrp",
    "One VRID for two instances on an interface",
    why="Both hear each other's adverts as if another director had sent them: they quarrel, and "
    "keepalived refuses one of them.",
    fix="Give each instance of an interface a virtual_router_id of its own.",
    source="RFC 5798 section 5.2.3; vrrp_complete_instance() in keepalived's vrrp.c",
)
def vrid_twice(node: Node) -> Iterator[Hit]:
    """Interface, family and VRID are equal."""
    seen: dict[tuple[object, ...], Instance] = {}
    for one in node.view.instances:
        if one.vrid is None:
            continue
        # Unicast instances are told apart by their peers, not by the network.
        key = (one.interface, one.vrid, one.ipv6, one.peers if one.unicast else ())
        if key in seen:
            other = seen[key].name
            said = f"VRID {one.vrid} on {one.interface or '?'} is that of {other}, too"
            yield Hit(one.at("virtual_router_id"), said, "another number")
        seen.setdefault(key, one)
