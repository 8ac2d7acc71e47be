"""LVS118 to LVS121: lines of an instance that keepalived takes otherwise than they read."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.lint.edits import replaced
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, WARNING, rule
from lvslab.topology.problems import shown

#: Of virtual_routes: the old words, and those that say the same.
_ROUTE_WORDS = {"gw": "via", "or": "nexthop"}


@rule(
    "LVS118",
    WARNING,
    "vrrp",
    "A sync daemon in an instance",
    why="keepalived takes it for one instance only, logs that it is deprecated since 1.2.19, and "
    "may drop it in any version.",
    fix="Write lvs_sync_daemon INTERFACE INSTANCE in global_defs.",
    source="vrrp_lvs_syncd_handler() in keepalived's vrrp_parser.c; seen with keepalived 2.2.7",
    bad="lvs_sync_daemon_interface eth0",
    good="lvs_sync_daemon eth0 VI_1",
)
def sync_daemon_in_instance(node: Node) -> Iterator[Hit]:
    """By its keyword."""
    for instance in node.view.instances:
        for line in instance.node.all("lvs_sync_daemon_interface"):
            write = f"lvs_sync_daemon {line.arg()} {instance.name}, in global_defs"
            yield Hit(line.at, "a sync daemon is written in global_defs", write)


@rule(
    "LVS119",
    ERROR,
    "vrrp",
    "An instance on the loopback",
    why="Adverts that leave on lo reach nobody. keepalived says 'cannot use a loopback interface', "
    "and the instance has no interface.",
    fix="Name the interface that the other directors are on.",
    source="vrrp_int_handler() in keepalived's vrrp_parser.c; seen with keepalived 2.2.7",
    bad="interface lo",
    good="interface eth0",
)
def instance_on_lo(node: Node) -> Iterator[Hit]:
    """By its name: whatever else is a loopback, only the machine knows."""
    for instance in node.view.instances:
        if instance.interface == "lo":
            yield Hit(
                instance.at("interface"), f"{instance.name} cannot be on lo", "interface eth0"
            )


@rule(
    "LVS120",
    WARNING,
    "vrrp",
    "An old word in a virtual route",
    why="keepalived logs that gw and or are deprecated; a version that drops them reads past the "
    "gateway.",
    fix="Write via for gw, and nexthop for or, as ip route does.",
    source="parse_route() in keepalived's vrrp_iproute.c; seen with keepalived 2.2.7",
    bad="10.7.0.0/16 gw 10.9.0.3",
    good="10.7.0.0/16 via 10.9.0.3",
)
def old_route_words(node: Node) -> Iterator[Hit]:
    """The word as it stands; via for gw is the same, nexthop wants a via of its own."""
    for instance in node.view.instances:
        for block in instance.node.all("virtual_routes"):
            for route in block.children:
                for word in route.words[1:]:
                    new = _ROUTE_WORDS.get(word.value)
                    if new:
                        edits = replaced(node, word.at, new) if word.value == "gw" else ()
                        yield Hit(word.at, f"{shown(word.value)} is deprecated", new, edits)


@rule(
    "LVS121",
    WARNING,
    "vrrp",
    "A virtual rule without preference",
    why="keepalived gives it one, from 16384 downwards in the order of the file: whether it comes "
    "before or after the machine's own rules is then an accident.",
    fix="Write preference and a number.",
    source="parse_rule() in keepalived's vrrp_iprule.c; seen with keepalived 2.2.7: 'This is "
    "probably not what you want'",
    bad="from 10.1.0.0/16 table 7",
    good="from 10.1.0.0/16 table 7 preference 100",
)
def rule_without_preference(node: Node) -> Iterator[Hit]:
    """Under any of its names."""
    for instance in node.view.instances:
        for block in instance.node.all("virtual_rules"):
            for line in block.children:
                if not {"preference", "priority", "order"} & {w.value for w in line.words}:
                    yield Hit(line.at, "it has no preference", "preference 100")
