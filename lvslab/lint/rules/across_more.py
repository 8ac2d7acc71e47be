"""LVS211 to LVS219: what surrounds VRRP between directors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lvslab.durations import show
from lvslab.lint.formulas import failover
from lvslab.lint.model import Hit, Node, Setting
from lvslab.lint.pairs import Member, groups
from lvslab.lint.registry import ERROR, INFO, WARNING, across
from lvslab.topology.problems import shown

_Found = Iterator[tuple[Node, Hit]]


@across(
    "LVS211",
    ERROR,
    "An instance that only one director has",
    why="Nobody takes its VIPs over.",
    fix="Write it on the other directors, too; or correct its name, VIPs or VRID.",
    source="RFC 5798 section 1",
)
def alone(setting: Setting) -> _Found:
    """Groups of one."""
    for members in groups(setting):
        if len(members) == 1:
            one = members[0]
            yield one.node, Hit(one.instance.where, f"{one.instance.name} is on no other director")


@across(
    "LVS212",
    WARNING,
    "Sync groups that differ",
    why="On one director the instances fail over together, on the other each by itself: one VIP "
    "here, one there.",
    fix="Write the same vrrp_sync_group on all of them.",
    source="keepalived.conf(5), 'VRRP synchronization group(s)'",
)
def sync_groups_differ(setting: Setting) -> _Found:
    """Compared as sets of instances."""
    first = setting.nodes[0]
    its = {frozenset(g.members) for g in first.view.sync_groups}
    for node in setting.nodes[1:]:
        mine = {frozenset(g.members): g for g in node.view.sync_groups}
        for members, group in mine.items():
            if members not in its:
                said = f"sync group {shown(group.name)} is not one of {first.name}"
                yield node, Hit(group.where, said)
        if its - mine.keys() and not mine.keys() - its:
            missing = next(g for g in first.view.sync_groups if frozenset(g.members) not in mine)
            said = f"{node.name} has no sync group of {', '.join(missing.members)}"
            yield first, Hit(missing.where, said)


@across(
    "LVS213",
    INFO,
    "One router_id for several directors",
    why="It is a name for mail and logs only: with one name for two nobody knows who wrote.",
    fix="Write a router_id of its own for each director.",
    source="keepalived.conf(5), 'router_id'",
)
def same_router_id(setting: Setting) -> _Found:
    """Where it is written."""
    seen: dict[str, str] = {}
    for node in setting.nodes:
        line = node.view.setting("router_id")
        if line is None or not line.args:
            continue
        if line.arg() in seen:
            said = f"router_id {shown(line.arg())} is that of {seen[line.arg()]}, too"
            yield node, Hit(line.arg_at(), said)
        seen.setdefault(line.arg(), node.name)


@across(
    "LVS214",
    ERROR,
    "A weight that can never change who is master",
    why="The script fails, the priority falls by the weight, and is still the highest: the VIP "
    "stays with the director whose service is down.",
    fix="Make the weight larger than the difference of the priorities, or leave it out (then a "
    "failure is FAULT).",
    source="keepalived.conf(5), 'vrrp_script', 'weight'",
)
def weight_too_small(setting: Setting) -> _Found:
    """The highest, all its tracks failed, against the next, all its tracks good."""
    for members in groups(setting):
        order = sorted(members, key=lambda m: -m.instance.priority)
        for top, heir in list(pairwise(order))[:1]:
            weights = _weights(top)
            if not weights or 0 in weights:
                continue  # a track without weight is FAULT, which gives the VIP away
            # Failed, negative weights count and positive ones do not; the heir has its own.
            failed = top.instance.priority + sum(w for w in weights if w < 0)
            good = heir.instance.priority + sum(w for w in _weights(heir) if w > 0)
            if failed > good:
                track = next(t for t in top.instance.tracks if _weight(top, t))
                said = (
                    f"with all of it failed {top.node.name} has {failed}, {heir.node.name} {good}"
                )
                yield top.node, Hit(track.node.at, f"{top.instance.name}: {said}")


def _weights(member: Member) -> list[int]:
    return [_weight(member, t) for t in member.instance.tracks if t.kind != "track_interface"]


def _weight(member: Member, track: object) -> int:
    scripts = {s.name: s.weight for s in member.node.view.scripts}
    weight = getattr(track, "weight", None)
    return scripts.get(getattr(track, "name", ""), 0) if weight is None else int(weight)


@across(
    "LVS215",
    WARNING,
    "A weight that turns the order around while all is well",
    why="A positive weight is added while the script succeeds. Where only the lower director has "
    "it, or a larger one, that director is master as long as nothing fails.",
    fix="Give all directors the same weights.",
    source="keepalived.conf(5), 'vrrp_script', 'weight'",
)
def weight_flips(setting: Setting) -> _Found:
    """The highest by number is not the highest with all scripts good."""

    def good(member: Member) -> int:
        return member.instance.priority + sum(w for w in _weights(member) if w > 0)

    for members in groups(setting):
        top = max(members, key=lambda m: m.instance.priority)
        best = max(members, key=good)
        if good(best) > good(top) and best.instance.priority < top.instance.priority:
            track = next(t for t in best.instance.tracks if _weight(best, t) > 0)
            said = f"with all scripts good {best.node.name} has {good(best)}, {top.node.name} "
            yield best.node, Hit(track.node.at, f"{best.instance.name}: {said}{good(top)}")


@across(
    "LVS216",
    WARNING,
    "A failover takes longer than the budget",
    why="A backup waits for down_timer_adverts (3) intervals and its skew time without an advert "
    "before it takes the VIP.",
    fix="Use version 3 with a shorter advert_int on all directors, or a larger budget.",
    source="RFC 3768 section 6.1, RFC 5798 section 6.1; 'lvslab bounds' and docs/measuring.md",
)
def failover_too_slow(setting: Setting) -> _Found:
    """Only with --budget failover=..."""
    budget = setting.budget.failover
    if budget is None:
        return
    for members in groups(setting):
        order = sorted(members, key=lambda m: -m.instance.priority)
        if len(order) < 2:
            continue
        bound = failover(order[0].instance, order[1].instance)
        if bound.high > budget:
            one = order[1]
            said = f"{one.node.name} takes over after up to {show(bound.high)}"
            said = f"{one.instance.name}: {said}, {show(budget)} is allowed ({bound.formula})"
            yield one.node, Hit(one.instance.at("advert_int"), said)


@across(
    "LVS217",
    ERROR,
    "An address that two directors send adverts from",
    why="With one unicast_src_ip on two directors one of them has not got it, or both have, which "
    "no network takes well.",
    fix="Write each director's own address.",
    source="keepalived.conf(5), 'unicast_src_ip'",
)
def same_source(setting: Setting) -> _Found:
    """Within a group."""
    for members in groups(setting):
        seen: dict[str, str] = {}
        for one in members:
            source = one.instance.unicast_src
            if source and source in seen:
                at = one.instance.at("unicast_src_ip", "mcast_src_ip")
                said = f"{one.instance.name}: {source} is the address of {seen[source]}, too"
                yield one.node, Hit(at, said)
            seen.setdefault(source, one.node.name)


@across(
    "LVS218",
    WARNING,
    "preempt_delay on the wrong side",
    why="It delays the director that has it. On the lower one, which never preempts, it delays "
    "nothing.",
    fix="Write it on the director of the higher priority.",
    source="keepalived.conf(5), 'preempt_delay'",
)
def delay_side(setting: Setting) -> _Found:
    """A lower one has it, the highest has not."""
    for members in groups(setting):
        top = max(members, key=lambda m: m.instance.priority)
        for one in members:
            lower = one.instance.priority < top.instance.priority
            if lower and one.instance.preempt_delay and not top.instance.preempt_delay:
                said = f"{one.instance.name}: {top.node.name}, which is higher, has none"
                yield one.node, Hit(one.instance.at("preempt_delay"), said)
