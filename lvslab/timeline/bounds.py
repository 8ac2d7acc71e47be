"""What the protocols promise for a configuration, before anything is measured. Pure; seconds.

Every bound is about the *cause* in the engine: when the backup has the VIP, when a real server
is in or out of the table. What a probe can see of it is coarser; how much is the caller's to
add (``resolution`` of :meth:`Bound.allows`), and nothing of it is in the figures here.

Sources: RFC 3768 section 5.3.2 and 6 (VRRPv2), RFC 5798 section 6.1 (VRRPv3); for what
keepalived makes of them its source, named at each function. Values that hide in a ``raw``
block (``down_timer_adverts``, ``warmup``, a check's own ``delay_loop``) are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address

from lvslab.faults.model import Link
from lvslab.faults.registry import effect_of, link_of, speaks
from lvslab.timeline.bound import Bound
from lvslab.timeline.bound import in_seconds as _s
from lvslab.timeline.checkbounds import Answer, never_notices, rs_back, rs_removed
from lvslab.topology.spec import (
    PoolMember,
    TopologySpec,
    VirtualServerSpec,
    VrrpInstanceSpec,
    VrrpMember,
)
from lvslab.topology.spoken import Language, asked_language, language

#: Adverts that a backup misses before it acts: keepalived's ``down_timer_adverts``, RFC 5798.
DOWN_TIMER_ADVERTS = 3


def skew(instance: VrrpInstanceSpec, member: VrrpMember) -> float:
    """Return a backup's skew time: (256 - priority)/256 s (v2), x the advert interval (v3).

    RFC 3768 section 6.1; RFC 5798 section 6.1 (Skew_Time with Master_Adver_Interval, which is
    the instance's own here: one value for all members).
    """
    unit = 1.0 if instance.version == 2 else instance.advert_int
    return (256 - member.priority) / 256 * unit


def down_time(instance: VrrpInstanceSpec, member: VrrpMember) -> float:
    """Return Master_Down_Interval: so long without an advert, and ``member`` is master."""
    return DOWN_TIMER_ADVERTS * instance.advert_int + skew(instance, member)


def failover_crash(instance: VrrpInstanceSpec, new_master: VrrpMember, master: VrrpMember) -> Bound:
    """When ``new_master`` takes over from a master that fell silent: [down - advert, down].

    The backup's timer runs from the last advert that it got, and that was 0 to one interval
    before the fault (RFC 5798 section 6.4.2).
    """
    down = down_time(instance, new_master)
    advert = instance.advert_int
    return Bound(
        "takeover",
        down - advert,
        down,
        f"{DOWN_TIMER_ADVERTS} x {_s(advert)} + {_skew_text(instance, new_master)}"
        f" = {_s(down)}, less up to one advert of {_s(advert)}",
        f"{master.director} says nothing any more; {new_master.director} waits out its "
        "master-down timer, which began with the last advert it heard",
    )


def failover_graceful(instance: VrrpInstanceSpec, new_master: VrrpMember) -> Bound:
    """When ``new_master`` takes over from a master that said goodbye: its skew time.

    An advert of priority 0 sets the backup's timer to Skew_Time (RFC 5798 section 6.4.2).
    The client may see up to 0.1 s less: the VIP goes a little after that advert (measured).
    """
    time = skew(instance, new_master)
    return Bound(
        "takeover",
        time,
        time,
        f"{_skew_text(instance, new_master)} = {_s(time)}",
        f"the master leaves with an advert of priority 0; {new_master.director} need wait for "
        "no more than its skew time",
    )


def take_back(instance: VrrpInstanceSpec, returning: VrrpMember) -> Bound | None:
    """When a director that is back takes its VIPs again; None where it never does.

    keepalived's vrrp_state_leave_fault() and vrrp_state_backup(): it comes back as BACKUP with
    a full master-down timer, and *discards* adverts of a lower priority, so that the timer runs
    out. With preempt_delay the first such advert starts the delay, and until its end they are
    heeded: the timer begins anew with the last of them.
    """
    others = [m for m in instance.by_priority() if m.director != returning.director]
    if not others or returning.nopreempt or instance.by_priority()[0] != returning:
        return None
    down = down_time(instance, returning)
    text = f"{DOWN_TIMER_ADVERTS} x {_s(instance.advert_int)} + {_skew_text(instance, returning)}"
    why = f"{returning.director} ignores the lower priority's adverts until its timer ran out"
    delay, advert = returning.preempt_delay, instance.advert_int
    if not delay:
        return Bound("take back", down, down, f"{text} = {_s(down)}", why)
    return Bound(
        "take back",
        delay + down - advert,
        delay + down + advert,
        f"preempt_delay {_s(delay)} + {text} = {_s(delay + down)}, give or take one advert",
        f"{why}, and heeds them while preempt_delay lasts",
    )


def second_outage_after_link_return(
    spec: TopologySpec,
    instance: VrrpInstanceSpec,
    returning: str,
    *,
    down_for: float | None = None,
    link: Link = "outer",
) -> Bound:
    """The outage when a director's link comes *back*: [RS back - VIP back], never below 0.

    With its link down the director's checks fail at once (no route), so R.B to D + R.B later
    its table is empty; ``down_for`` (seconds the link was down; None: long enough) says whether
    that happened. Back up, it takes the VIPs again after :func:`take_back`, whether or not a
    check has passed: VRRP does not ask the checkers. From then until the first real server is
    back (:func:`rs_back`, from the same moment on) the VIP points to an empty table. For D 6 s
    and priority 100, advert 1 s, that is 6..12 s less 3.609 s (seen: 5.0 s). With NAT there is
    none for the ``outer`` link: checks take the ``inside`` one, which was up. With that down they
    leave by the default route, and time out (seen) or are told by a router: the table is empty
    later, and an attempt may be under way when the link is back.
    """
    if spec.inside is not None and link == "outer":
        return _none("its checks take the inside network, which was up: its table is full")
    if link == "inside" and instance.name != spec.gateway_instance:
        return _none(f"{instance.name} has no address in the inside network, and went on")
    member = next((m for m in instance.members if m.director == returning), None)
    again = take_back(instance, member) if member is not None else None
    if again is None:
        return _none(f"{returning} does not take the VIP back")
    vips = {v.ip for v in instance.vips}
    mine = (vs for vs in spec.virtual_servers if vs.vip in vips)
    bounds = [_empty_table(vs, again, down_for, link) for vs in mine]
    return _hull(bounds) or _none("no virtual server uses these VIPs")


def takeover(
    spec: TopologySpec,
    fault: str,
    target: str,
    holder: str | None = None,
    *,
    vip: IPv4Address | None = None,
) -> Bound | None:
    """When the VIP has a new master after a fault of ``target``; None where it gets none.

    ``holder`` had the VIP (None: the highest priority); ``vip`` picks one instance of several.
    This is what was *detected*; what the client lost is :func:`expected`.
    """
    effect = effect_of(fault, "director")
    bounds = []
    for instance in _hit(spec, fault, _held(spec, target, holder, vip)):
        master = next(m for m in instance.members if m.director == target)
        heirs = [m for m in instance.by_priority() if m.director != target]
        if not heirs:
            return None
        if effect == "graceful":
            bounds.append(failover_graceful(instance, heirs[0]))
        elif effect in ("silent", "forwarding"):
            bounds.append(failover_crash(instance, heirs[0], master))
    return _hull(bounds)


def expected(
    spec: TopologySpec,
    fault: str,
    target: str,
    holder: str | None = None,
    *,
    vip: IPv4Address | None = None,
    ending: float = 0.0,
) -> Bound | None:
    """What the client of the VIP(s) loses by a fault; None where nothing is promised.

    A director's: an ``outage``, in which nothing is answered; 0 where it does not hold the VIP,
    or where its kernel goes on forwarding. A real server's: the time for which a share of the
    requests fails (``degraded``). None: unknown fault or node, no director to take over, a real
    server that no check of it will remove, or without which nothing is left. Without ``vip``
    the bound covers all VIPs; several instances with different holders need it. ``ending``: the
    seconds that a program of a real server took to end, once it was told to.
    """
    if any(d.name == target for d in spec.directors):
        effect = effect_of(fault, "director")
        if effect is None:
            return None
        if effect == "nothing":
            return _none("nobody notices it")
        held = _held(spec, target, holder, vip)
        if not held:
            return _none(f"{target} does not hold the VIP")
        if not _hit(spec, fault, held):
            return _none(f"{target} goes on: the instance has no address in the inside network")
        if effect == "forwarding":
            return _none(
                f"the kernel of {target} keeps the VIP and goes on forwarding; when another "
                "director takes the VIP as well, either serves"
            )
        bound = takeover(spec, fault, target, holder, vip=vip)
        return None if bound is None else replace(bound, name="outage")
    if any(r.name == target for r in spec.real_servers):
        answer = effect_of(fault, "real-server")
        if answer == "nothing":
            return _none("nobody notices it")
        if answer == "refused" or answer == "timeout" or answer == "unreachable":
            return _expected_of_real_server(spec, answer, target, vip, speaks(fault), ending)
    return None


def _expected_of_real_server(
    spec: TopologySpec,
    answer: Answer,
    target: str,
    vip: IPv4Address | None,
    only: Language | None,
    ending: float,
) -> Bound | None:
    """``only``: one program of the real server is hit, what it speaks; None: all of them."""
    bounds: list[Bound] = []
    for vs in spec.virtual_servers:
        if vip is not None and vs.vip != vip:
            continue
        if only is not None and language(spec, vs) != only:
            continue
        for member in vs.members:
            if member.server != target or member.weight == 0:
                continue
            others = any(m.weight for m in vs.members if m.server != target)
            if not others and vs.sorry_server is None:
                return None
            if member.check is None or never_notices(member.check, answer):
                return None
            if only is not None and asked_language(spec, vs, member) != only:
                return None  # it asks another program, which goes on
            bounds.append(rs_removed(member.check, vs.delay_loop, answer, ending=ending))
    bound = _hull(bounds)
    if bound is None:
        return _none(f"{target} gets no requests")
    return replace(bound, name="degraded")


def _empty_table(vs: VirtualServerSpec, again: Bound, down_for: float | None, link: Link) -> Bound:
    """Return for how long one virtual server has no real server after the VIP is back."""
    answer: Answer = "refused" if link == "outer" else "unreachable"
    backs: list[Bound] = []
    surely_empty = vs.sorry_server is None
    for member in _served(vs):
        if member.check is None:
            return _none("a real server without a check never leaves the table")
        gone = rs_removed(member.check, vs.delay_loop, answer)
        if down_for is not None and down_for < gone.low:
            return _none(f"{_s(down_for)} without link is too short to empty the table")
        surely_empty &= down_for is None or down_for >= gone.high
        attempt = 0.0 if link == "outer" else None
        backs.append(rs_back(member.check, vs.delay_loop, attempt=attempt))
    if not backs:
        return _none("nothing is served")
    low, high = min(b.low for b in backs), min(b.high for b in backs)
    return Bound(
        "second outage",
        max(0.0, low - again.high) if surely_empty else 0.0,
        max(0.0, high - again.low),
        f"{_s(low)}..{_s(high)} (checks) - {again.formula} (VRRP)",
        "with its link down its checks removed every real server, and VRRP takes the VIP back "
        "without asking them; preempt_delay or nopreempt avoids it",
    )


def _served(vs: VirtualServerSpec) -> Iterable[PoolMember]:
    return (m for m in vs.members if m.weight)


def _held(
    spec: TopologySpec, target: str, holder: str | None, vip: IPv4Address | None
) -> list[VrrpInstanceSpec]:
    """Return the instances whose VIPs ``target`` holds."""
    return [
        i
        for i in spec.vrrp_instances
        if (vip is None or any(v.ip == vip for v in i.vips))
        and any(m.director == target for m in i.members)
        and (i.by_priority()[0].director if holder is None else holder) == target
    ]


def _hit(
    spec: TopologySpec, fault: str, instances: list[VrrpInstanceSpec]
) -> list[VrrpInstanceSpec]:
    """Return the instances that notice a fault: of the inside link, the one with the gateway.

    keepalived tracks the interfaces that an instance's addresses are on (vrrp.c,
    vrrp_complete_instance(): TRACK_ADDR), and no other that it was not told to.
    """
    if link_of(fault) != "inside":
        return instances
    return [i for i in instances if i.name == spec.gateway_instance]


def _hull(bounds: list[Bound]) -> Bound | None:
    """Return the bound that covers all of them, with the words of the longest."""
    if not bounds:
        return None
    worst = max(bounds, key=lambda b: (b.high, b.low))
    return replace(worst, low=min(b.low for b in bounds))


def _none(why: str) -> Bound:
    return Bound("outage", 0.0, 0.0, "0", why)


def _skew_text(instance: VrrpInstanceSpec, member: VrrpMember) -> str:
    unit = "" if instance.version == 2 else f" x {_s(instance.advert_int)}"
    return f"(256 - {member.priority})/256{unit}"
