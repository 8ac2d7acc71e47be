"""LVS200 to LVS219: VRRP between directors. Most of these are split brain."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lvslab.conf.models import Instance
from lvslab.lint.model import Hit, Node, Setting
from lvslab.lint.pairs import Member, against_first, groups
from lvslab.lint.registry import ERROR, WARNING, across

_Found = Iterator[tuple[Node, Hit]]


def _compare(
    setting: Setting, what: str, value: Callable[[Instance], object], keyword: str, write: str = ""
) -> _Found:
    """Compare one value with the first director's; ``write`` is what would be right, of that."""
    for first, other in against_first(setting):
        mine, its = value(other.instance), value(first.instance)
        if mine != its and mine is not None and its is not None:
            said = f"{other.instance.name}: {what} {mine} here, {its} on {first.node.name}"
            yield other.node, Hit(other.instance.at(keyword), said, write.format(its))


@across(
    "LVS200",
    ERROR,
    "The VRID differs between directors",
    why="Each takes the other for another group: both hold the VIP, and neither logs a word.",
    fix="Write the same virtual_router_id on all of them.",
    source="seen with keepalived 2.2.7: two masters, nothing in the log; RFC 5798 section 5.2.3",
)
def vrid_differs(setting: Setting) -> _Found:
    """Against the first."""
    yield from _compare(setting, "VRID", lambda i: i.vrid, "virtual_router_id", "{}")


@across(
    "LVS201",
    ERROR,
    "The authentication differs between directors",
    why="Each refuses the other's adverts ('received an invalid passwd!'): both hold the VIP.",
    fix="Write the same auth_type and auth_pass on all of them.",
    source="seen with keepalived 2.2.7: two masters",
)
def auth_differs(setting: Setting) -> _Found:
    """What counts of it: 8 characters, version 2, not strict."""
    for first, other in against_first(setting):
        if {first.instance.version, other.instance.version} != {2}:
            continue
        mine, its = _auth(other), _auth(first)
        if mine != its:
            block = other.instance.node.last("authentication")
            line = block.last("auth_pass") if block else None
            at = line.arg_at() if line else other.instance.where
            said = f"{other.instance.name}: authentication is not that of {first.node.name}"
            yield other.node, Hit(at, said)


def _auth(member: Member) -> tuple[str, str]:
    one = member.instance
    return ("", "") if one.strict else (one.auth_type, one.auth_pass[:8])


@across(
    "LVS202",
    ERROR,
    "The advert interval differs between directors",
    why="With version 2 each refuses adverts of another interval ('advertisement interval "
    "mismatch'): both hold the VIP. With version 3 a backup takes the master's, and the bound of "
    "the failover depends on who is master.",
    fix="Write the same advert_int on all of them.",
    source="seen with keepalived 2.2.7: two masters (version 2); RFC 5798 section 6.1",
)
def advert_int_differs(setting: Setting) -> _Found:
    """Against the first."""
    yield from _compare(
        setting, "advert_int", lambda i: f"{i.advert_int:g}", "advert_int", "advert_int {}"
    )


@across(
    "LVS203",
    ERROR,
    "The VRRP version differs between directors",
    why="Each refuses the other's adverts ('wrong version'): both hold the VIP.",
    fix="Write the same version on all of them.",
    source="seen with keepalived 2.2.7: two masters",
)
def version_differs(setting: Setting) -> _Found:
    """Against the first."""
    yield from _compare(setting, "VRRP version", lambda i: i.version, "version", "version {}")


@across(
    "LVS204",
    ERROR,
    "The VIPs differ between directors",
    why="A backup refuses an advert whose list is not its own ('not present in MASTER advert'), "
    "and becomes master as well. And after a failover the address that is missing is gone.",
    fix="Write the same virtual_ipaddress on all of them.",
    source="seen with keepalived 2.2.7: two masters",
)
def vips_differ(setting: Setting) -> _Found:
    """The set, prefixes aside."""
    for first, other in against_first(setting):
        mine = {v.ip for v in other.instance.vips if not v.excluded}
        its = {v.ip for v in first.instance.vips if not v.excluded}
        if mine == its:
            continue
        lacks = ", ".join(sorted(its - mine))
        more = ", ".join(sorted(mine - its))
        parts = [f"without {lacks}" if lacks else "", f"with {more} besides" if more else ""]
        said = f"{other.instance.name}: {', and '.join(p for p in parts if p)}"
        block = other.instance.node.last("virtual_ipaddress")
        at = block.at if block else other.instance.where
        yield other.node, Hit(at, f"{said} (against {first.node.name})")


@across(
    "LVS205",
    ERROR,
    "Unicast on one director, multicast on another",
    why="Neither hears the other: both hold the VIP, and neither logs a word.",
    fix="Write unicast_peer on all of them, or on none.",
    source="seen with keepalived 2.2.7: two masters, nothing in the log",
)
def unicast_differs(setting: Setting) -> _Found:
    """Against the first."""
    yield from _compare(
        setting, "adverts by", lambda i: "unicast" if i.unicast else "multicast", "unicast_peer"
    )


@across(
    "LVS206",
    ERROR,
    "A director that another does not list as its peer",
    why="It never gets that one's adverts, and becomes master as well.",
    fix="List every other director's unicast_src_ip in unicast_peer.",
    source="keepalived.conf(5), 'unicast_peer'",
)
def peer_missing(setting: Setting) -> _Found:
    """Only where the sources are written: else they are the interface's."""
    for members in groups(setting):
        for one in members:
            block = one.instance.node.last("unicast_peer")
            if block is None or not one.instance.unicast:
                continue
            for other in members:
                source = other.instance.unicast_src
                if other is one or not source or source in one.instance.peers:
                    continue
                said = f"{other.node.name} ({source}) is not among the peers"
                yield one.node, Hit(block.at, f"{one.instance.name}: {said}", source)


@across(
    "LVS207",
    WARNING,
    "Directors of equal priority",
    why="The higher address wins. It does not split, but nobody sees in the files who is master, "
    "and a new address changes it.",
    fix="Write a priority of its own for each director.",
    source="RFC 5798 section 6.4.3; seen with keepalived 2.2.7",
)
def same_priority(setting: Setting) -> _Found:
    """Any two of a group."""
    for members in groups(setting):
        seen: dict[int, str] = {}
        for one in members:
            priority = one.instance.priority
            if priority in seen:
                said = f"{one.instance.name}: priority {priority}, like {seen[priority]}"
                yield one.node, Hit(one.instance.at("priority"), said)
            seen.setdefault(priority, one.node.name)


@across(
    "LVS208",
    WARNING,
    "Two directors that start as MASTER",
    why="Each takes the VIP when it starts, until the other's first advert comes: a short split, "
    "and an outage for who had it.",
    fix="Write state MASTER for the highest priority only, or state BACKUP for all.",
    source="keepalived.conf(5), 'state'; RFC 5798 section 6.4.1",
)
def two_masters(setting: Setting) -> _Found:
    """More than one MASTER in a group."""
    for members in groups(setting):
        masters = [m for m in members if m.instance.state == "MASTER"]
        for one in masters[1:]:
            said = f"{one.instance.name}: {masters[0].node.name} starts as MASTER, too"
            yield one.node, Hit(one.instance.at("state"), said, "BACKUP")


@across(
    "LVS209",
    WARNING,
    "MASTER is not the director of the highest priority",
    why="It takes the VIP when it starts, and loses it to the higher one at once: two changes "
    "instead of none.",
    fix="Write state MASTER where the priority is highest.",
    source="RFC 5798 section 6.4.3",
)
def master_is_lower(setting: Setting) -> _Found:
    """One MASTER, lower than another."""
    for members in groups(setting):
        masters = [m for m in members if m.instance.state == "MASTER"]
        top = max(members, key=lambda m: m.instance.priority)
        if len(masters) == 1 and masters[0].instance.priority < top.instance.priority:
            one = masters[0]
            said = f"{one.instance.name}: {top.node.name} has priority {top.instance.priority}"
            yield one.node, Hit(one.instance.at("state"), said, "BACKUP")


@across(
    "LVS210",
    ERROR,
    "nopreempt on the wrong side",
    why="nopreempt keeps the director that has it from taking the VIP from a lower one. On the "
    "director of the lower priority it does nothing: the higher one takes the VIP back.",
    fix="Write nopreempt (and state BACKUP) on the director of the higher priority; on all of "
    "them it does no harm.",
    source="keepalived.conf(5), 'nopreempt'; vrrp_state_backup() in keepalived's vrrp.c",
)
def nopreempt_side(setting: Setting) -> _Found:
    """A lower one has it, the highest has not."""
    for members in groups(setting):
        top = max(members, key=lambda m: m.instance.priority)
        if top.instance.nopreempt:
            continue
        for one in members:
            line = one.instance.node.last("nopreempt")
            if line is not None and one.instance.priority < top.instance.priority:
                said = f"{one.instance.name}: {top.node.name}, which is higher, preempts"
                yield one.node, Hit(line.at, said, f"nopreempt on {top.node.name}")
