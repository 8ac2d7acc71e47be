"""Values that keepalived does not take, or not as they are written: the lab has what it takes.

That is what a running keepalived does; `keepalived -t` refuses some more (lib/parser.c, the
``ignore_error`` of read_unsigned_func(); seen with 2.2.7).
"""

from __future__ import annotations

import re
from typing import get_args

from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4, number
from lvslab.conf.view import CHECKS
from lvslab.importer.model import Fate
from lvslab.importer.pools import SERVER_VALUES
from lvslab.importer.twins import Twins
from lvslab.importer.vrrp import INSTANCE_VALUES
from lvslab.lint.ranges import RANGES
from lvslab.topology.spec import ASKING, DnsType, Forwarding, Scheduler

#: Of these one line counts, by block: the last that keepalived takes. Several names are one line.
_TIMES = ("connect_timeout", "delay_before_retry")
_CHECK = ("connect_port", *_TIMES, "retry", "misc_path", "misc_timeout", "type")
_ONE: dict[str, tuple[str, ...]] = {
    "global_defs": ("router_id",),
    "vrrp_instance": INSTANCE_VALUES,
    "authentication": ("auth_type", "auth_pass"),
    "virtual_server": SERVER_VALUES,
    "real_server": ("weight", "inhibit_on_failure"),
    **dict.fromkeys(CHECKS, _CHECK),
    **dict.fromkeys(ASKING, ("connect_port", *_TIMES, "retry nb_get_retry")),
    "url": ("path", "virtualhost", "digest"),
}
#: Whose second word alone is read (set_value() and the like); numbers, too.
_ONE_WORD = frozenset(
    {"router_id", "state", "protocol", "auth_type", "auth_pass", "path", "virtualhost", "digest"}
)
#: The words that keepalived takes; of the second group in any case.
_WORDS = {
    "lb_algo": frozenset(get_args(Scheduler)),
    "lb_kind": frozenset(get_args(Forwarding)),
    "auth_type": frozenset({"AH", "PASS"}),
}
_ANY_CASE = {
    "protocol": frozenset({"TCP", "UDP", "SCTP"}),
    "type": frozenset(get_args(DnsType)),
}
#: Of what follows its digits keepalived warns only, and goes on with them.
_WARNED = frozenset({"weight", "connect_port", "retry", "nb_get_retry", "quorum", "hysteresis"})
_IGNORED = "keepalived does not take it, and neither does the lab"
_OUT = "out of range: keepalived ignores it, and so does the lab"
_AFTER = "of several the last one counts, in the lab as well"
_BEFORE = "of several the first one counts, in the lab as well"
_TIMER = "no number: what time keepalived reads of it is not in the lab, which has the default"
_AT_ONCE = "a lab waits before it tries again: it has the default"


def values(twins: Twins) -> None:
    """Leave one line of each that has one value, with what keepalived takes of it."""
    for source in twins.sources:
        for block in list(source.config.root.walk()):
            for group in _ONE.get(block.keyword, ()):
                names = group.split()
                for node in block.all(*names):
                    _number(twins, block, node)
                    _rest(twins, node)
                _last(twins, block.all(*names), names[0])


def _number(twins: Twins, block: Node, node: Node) -> None:
    keyword = "retry" if node.keyword == "nb_get_retry" else node.keyword
    limits = RANGES.get((block.keyword, keyword))
    # Without a value another rule holds; with a bad VRID keepalived has no instance at all.
    if limits is None or not node.args or node.keyword == "virtual_router_id":
        return
    problem = limits.problem(node.arg())
    if not problem and keyword == "delay_before_retry" and not number(node.arg()):
        twins.drop(node, Fate.UNSUPPORTED, _AT_ONCE)
    if not problem:
        return
    if problem.startswith("must"):
        twins.drop(node, Fate.MAPPED, _OUT)
        return
    if not _warned(block, node):
        fate, note = (Fate.UNSUPPORTED, _TIMER) if limits.decimal else (Fate.MAPPED, _IGNORED)
        twins.drop(node, fate, note)
        return
    digits = re.match(r"\+?(\d*)", node.arg(), re.ASCII)
    # strtoul() reads 0 where there is no digit.
    taken = str(int(digits[1] or 0) if digits else 0)
    if node.arg().startswith("-") or limits.problem(taken):
        twins.drop(node, Fate.MAPPED, _IGNORED)
        return
    note = f"{node.keyword} {taken}: keepalived warns of the rest, and goes on with this"
    twins.say(node, [node.keyword, taken], Fate.MAPPED, note)


def _warned(block: Node, node: Node) -> bool:
    # vs_retry_handler() and rs_retry_handler() are strict; so are priority and persistence_timeout.
    return node.keyword in _WARNED and (node.keyword != "retry" or block.keyword in CHECKS)


def _rest(twins: Twins, node: Node) -> None:
    parent = node.parent
    single = node.keyword in _ONE_WORD or (parent and (parent.keyword, node.keyword) in RANGES)
    if parent is None or not single or len(node.args) < 2 or not _is_there(node):
        return
    words = [node.keyword, node.arg()]
    note = f"{' '.join(words)}: keepalived reads past {' '.join(node.args[1:])!r} in this line"
    twins.say(node, words, Fate.MAPPED, note)


def _is_there(node: Node) -> bool:
    return node.parent is not None and any(node is c for c in node.parent.children)


def _last(twins: Twins, nodes: list[Node], name: str) -> None:
    """Leave the last of several that keepalived takes; of digests the first (digest_handler())."""
    taken = [n for n in nodes if _takes(name, n.arg())]
    if len(nodes) < 2 or not taken:
        return
    counts = taken[0] if name == "digest" else taken[-1]
    for node in nodes:
        if node is not counts:
            note = _BEFORE if name == "digest" else _AFTER
            twins.drop(node, Fate.MAPPED, note if _takes(name, node.arg()) else _IGNORED)


def _takes(name: str, text: str) -> bool:
    if name == "sorry_server":
        return ipv4(text) is not None or ":" in text
    words = _WORDS.get(name)
    upper = _ANY_CASE.get(name)
    return (words is None or text in words) and (upper is None or text.upper() in upper)
