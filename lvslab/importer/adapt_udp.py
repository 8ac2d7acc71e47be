"""UDP_CHECK and DNS_CHECK in the lab's words: what keepalived makes of each line."""

from __future__ import annotations

import re
from typing import get_args

from lvslab.conf.tree import Node
from lvslab.conf.values import whole
from lvslab.importer.model import Fate
from lvslab.importer.twins import Twins
from lvslab.topology.spec import DnsType
from lvslab.topology.values import DNS_NAME_MAX, OCTETS_MAX

_IGNORED = "keepalived does not take it, and neither does the lab"
_TYPES = frozenset(get_args(DnsType))
#: keepalived's default of max_reply_length (check_udp.c, udp_check_handler()).
_MAX_REPLY = 255


def datagram(twins: Twins, check: Node) -> None:
    """Adapt one check; what it sends and what it waits for stay what they are."""
    if check.keyword == "DNS_CHECK":
        _dns(twins, check)
    else:
        _udp(twins, check)


def octets(words: list[str], *, wildcards: bool = False) -> str | None:
    """Return hexadecimal digits as keepalived reads them, two an octet; None where it does not.

    A digit alone before a blank is an octet, too (parser.c, read_hex_str()).
    """
    pattern = "[0-9a-fA-FxX]*" if wildcards else "[0-9a-fA-F]*"
    found = []
    for word in " ".join(words).split():
        if not re.fullmatch(pattern, word):
            return None
        found += [word[i : i + 2].rjust(2, "0").lower() for i in range(0, len(word), 2)]
    return "".join(found) if 0 < len(found) <= OCTETS_MAX else None


def _udp(twins: Twins, check: Node) -> None:
    for node in check.all("payload"):
        _rewrite(twins, node, octets(node.args))
    for node in check.all("require_reply"):
        wanted = octets(node.args, wildcards=True)
        if wanted is None and node.args:
            note = "require_reply alone: keepalived cannot read these octets, and compares none"
            twins.say(node, ["require_reply"], Fate.MAPPED, note)
        elif wanted is not None:
            _rewrite(twins, node, wanted)
    required = check.last("require_reply")
    lengths = check.all("min_reply_length", "max_reply_length")
    for node in lengths:
        value = whole(node.arg())
        if value is None or not 0 <= value <= 0xFFFF:
            twins.drop(node, Fate.MAPPED, _IGNORED)
        elif required is None or not required.args:
            note = "keepalived looks at an answer's length only where it compares its octets"
            twins.drop(node, Fate.MAPPED, note)
    low, high = (
        _length(check, "min_reply_length", 0),
        _length(check, "max_reply_length", _MAX_REPLY),
    )
    if low > high:
        for node in check.all("min_reply_length", "max_reply_length"):
            note = f"no answer has {low} octets or more and {high} or less: it would never be up"
            twins.drop(node, Fate.UNSUPPORTED, note)


def _length(check: Node, keyword: str, default: int) -> int:
    found = check.last(keyword)
    value = whole(found.arg()) if found else None
    return default if value is None else value


def _dns(twins: Twins, check: Node) -> None:
    for node in check.all("type"):
        kind = node.arg().upper()
        if kind not in _TYPES:
            twins.drop(node, Fate.MAPPED, _IGNORED)
        elif kind != node.arg():
            twins.say(node, ["type", kind], Fate.MAPPED)
    names = check.all("name")
    good = [node for node in names if _is_name(node.arg())]
    for node in names:
        if node not in good[:1]:
            # check_dns.c, dns_name_handler(): the first one counts.
            twins.drop(node, Fate.MAPPED, _IGNORED)


def _is_name(text: str) -> bool:
    labels = [] if text == "." else text.removesuffix(".").split(".")
    plain = re.fullmatch(r"[!-~]+", text) and not re.search(r"[\"'#!{}$\\]", text)
    return bool(plain) and len(text) <= DNS_NAME_MAX and all(0 < len(n) < 64 for n in labels)


def _rewrite(twins: Twins, node: Node, digits: str | None) -> None:
    if digits is None:
        twins.drop(node, Fate.MAPPED, _IGNORED)
    elif node.args != [digits]:
        twins.say(node, [node.keyword, digits], Fate.MAPPED)
