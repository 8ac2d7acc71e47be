"""LVS009 to LVS019: keywords and values that keepalived takes otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf import vocabulary
from lvslab.conf.tree import Node as Tree
from lvslab.conf.view import CHECKS
from lvslab.conf.vocabulary import BLOCK, VALUES
from lvslab.lint.edits import drop, replaced
from lvslab.lint.known import known
from lvslab.lint.model import Hit, Node
from lvslab.lint.ranges import RANGES
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import shown


@rule(
    "LVS009",
    WARNING,
    "syntax",
    "A keyword that is deprecated",
    why="keepalived still takes it, says so in its log, and may drop it in a later version.",
    fix="Write the keyword of today.",
    source="the comments 'Deprecated' in keepalived's parsers; seen with 2.2.7: 'nb_get_retry is "
    "deprecated - please use retry'",
    bad="nb_get_retry 3",
    good="retry 3",
)
def deprecated_keyword(node: Node) -> Iterator[Hit]:
    """By the vocabulary."""
    for child, block, _ in known(node):
        new = vocabulary.DEPRECATED.get((block, child.keyword))
        if new is None:
            continue
        edits = replaced(node, child.at, new) if new else drop(node, child)
        write = new or "nothing: it is not needed any more"
        yield Hit(child.at, f"{shown(child.keyword)} is deprecated", write, edits)


#: Of these 0 was meant as "off", which is what they are without the line.
_OFF = frozenset(("persistence_timeout", "vrrp_garp_interval", "vrrp_gna_interval"))


@rule(
    "LVS010",
    ERROR,
    "syntax",
    "A number out of its range, or none",
    why="keepalived says 'outside range' or 'invalid' in its log, and takes its default.",
    fix="Write a number within the range; to have the default, write nothing.",
    source="read_unsigned_strvec() and read_decimal_unsigned_strvec() and their callers in "
    "keepalived's parsers; seen with 2.2.7",
    bad="persistence_timeout 0",
)
def number_out_of_range(node: Node) -> Iterator[Hit]:
    """By the table of ranges."""
    for child, block, kind in known(node):
        if kind is None or (limits := RANGES.get((block, child.keyword))) is None or not child.args:
            continue
        text = child.arg()
        if problem := limits.problem(text):
            zero = child.keyword in _OFF and text == "0"
            edits = drop(node, child) if zero and len(child.args) == 1 else ()
            write = "nothing: without the line it is off" if edits else limits.text
            yield Hit(child.arg_at(), f"{child.keyword} {shown(text)}: {problem}", write, edits)


#: May be written several times.
_MANY = frozenset(
    [
        *CHECKS,
        "real_server",
        "url",
        "notification_email",
        "sorry_server",
        "smtp_alert",
        "track_script",
        "track_interface",
        "track_file",
        "track_process",
        "track_bfd",
        "virtual_ipaddress",
        "virtual_ipaddress_excluded",
        "unicast_peer",
        "virtual_routes",
        "virtual_rules",
        "host",
        "key",
        "lvs_timeouts",
        "flag-1",
        "flag-2",
        "flag-3",
        "include_check",
        "path",
        "digest",
        "status_code",
        "interface",
    ]
)


@rule(
    "LVS011",
    WARNING,
    "syntax",
    "A keyword twice in one block",
    why="keepalived takes the last one and says nothing. Who edits the first one changes nothing.",
    fix="Keep the one that is meant.",
    source="the handlers of keepalived's parsers: each overwrites the value",
    bad="priority 100\npriority 50",
)
def twice_in_block(node: Node) -> Iterator[Hit]:
    """Known, single, and there again."""
    blocks = [b for b, _, kind in known(node) if kind == BLOCK and b.is_block]
    for block in blocks:
        seen: dict[str, Tree] = {}
        for child in block.children:
            if child.keyword in seen and child.keyword not in _MANY:
                first = seen[child.keyword].at
                said = f"{shown(child.keyword)} is written twice"
                yield Hit(child.at, f"{said} (line {first.line}): this one counts")
            elif vocabulary.keywords(block.keyword).get(child.keyword):
                seen[child.keyword] = child


@rule(
    "LVS012",
    ERROR,
    "syntax",
    "lb_kind that is not in capitals",
    why="keepalived compares with NAT, DR and TUN exactly. It says 'unknown routing method' and "
    "takes NAT: real servers answer the client by themselves, and every connection hangs.",
    fix="Write NAT, DR or TUN.",
    source="vs_forwarding_handler() in keepalived's check_parser.c; seen with 2.2.7: exit code 5 "
    "of -t, and NAT in the table",
    bad="lb_kind dr",
    good="lb_kind DR",
)
def lb_kind_case(node: Node) -> Iterator[Hit]:
    """Any method that is none of the three."""
    for child, _, kind in known(node):
        keywords = ("lb_kind", "lvs_method", "sorry_server_lvs_method")
        if kind is None or child.keyword not in keywords or not child.args:
            continue
        method = child.arg()
        if method not in ("NAT", "DR", "TUN"):
            right = method.upper() if method.upper() in ("NAT", "DR", "TUN") else ""
            edits = replaced(node, child.arg_at(), right) if right else ()
            said = f"{child.keyword} {shown(method)} is unknown, and becomes NAT"
            yield Hit(child.arg_at(), said, right or "NAT, DR or TUN", edits)


_ALONE = frozenset(
    [
        "vrrp_instance",
        "vrrp_sync_group",
        "vrrp_script",
        "virtual_server",
        "real_server",
        "virtual_router_id",
        "interface",
        "priority",
        "state",
        "advert_int",
        "auth_pass",
        "auth_type",
        "router_id",
        "script",
        "lb_algo",
        "lb_kind",
        "protocol",
        "path",
        "connect_timeout",
        "connect_port",
        "delay_loop",
        "retry",
        "misc_path",
        "virtual_server_group",
        "delay_before_retry",
        "quorum",
        "weight",
        "unicast_src_ip",
        "smtp_server",
    ]
)


@rule(
    "LVS013",
    ERROR,
    "syntax",
    "A keyword without its value",
    why="keepalived ignores the line, takes an empty value, or (before 2.3) stops.",
    fix="Write the value.",
    source="keepalived.conf(5): these keywords have one",
    bad="virtual_router_id",
)
def value_missing(node: Node) -> Iterator[Hit]:
    """Keywords that mean nothing alone."""
    for child, _, kind in known(node):
        if kind is not None and child.keyword in _ALONE and not child.args:
            yield Hit(child.at, f"{shown(child.keyword)} has no value")


@rule(
    "LVS014",
    ERROR,
    "syntax",
    "One name for two blocks",
    why="keepalived takes the first and says 'already defined' of the second, whose lines are "
    "ignored.",
    fix="Give one of them another name.",
    source="vrrp_handler() and vrrp_script_handler() in keepalived's vrrp_parser.c; seen with "
    "2.2.7",
    bad="vrrp_instance VI_1 {\n}\nvrrp_instance VI_1 {\n}",
)
def name_twice(node: Node) -> Iterator[Hit]:
    """Named blocks of the top level."""
    seen: dict[tuple[str, str], int] = {}
    named = ("vrrp_instance", "vrrp_sync_group", "vrrp_script", "track_file", "vrrp_track_process")
    for child in node.view.root.all(*named, "virtual_server_group", "bfd_instance"):
        key = (child.keyword, child.arg())
        if child.args and key in seen:
            said = f"{child.keyword} {shown(child.arg())} is already there (line {seen[key]})"
            yield Hit(child.arg_at(), said)
        seen.setdefault(key, child.at.line)


@rule(
    "LVS015",
    INFO,
    "syntax",
    "A block with nothing in it",
    why="It changes nothing, and often something was to be written into it.",
    fix="Fill it, or remove it.",
    source="keepalived.conf(5)",
    bad="track_script {\n}",
)
def empty_block(node: Node) -> Iterator[Hit]:
    """Blocks whose emptiness means nothing. A check without lines has its defaults."""
    for child, _, kind in known(node):
        if kind == VALUES and child.is_block and not child.children:
            yield Hit(child.at, f"{shown(child.keyword)} is empty")
