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
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Literal

from lvslab.faults.registry import effect_of, speaks
from lvslab.topology.spec import (
    ASKING,
    CheckSpec,
    PoolMember,
    TopologySpec,
    VirtualServerSpec,
    VrrpInstanceSpec,
    VrrpMember,
)
from lvslab.topology.spoken import UDP_CHECKS, Language, asked_language, language

#: Adverts that a backup misses before it acts: keepalived's ``down_timer_adverts``, RFC 5798.
DOWN_TIMER_ADVERTS = 3

#: How a real server that is gone answers a connection. ``refused``: at once, by a reset.
#: ``timeout``: not at all. ``unreachable``: not at all, and sooner or later the kernel says so
#: itself, because nobody answers its ARP; then an attempt ends early.
Answer = Literal["refused", "timeout", "unreachable"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise: the duration called ``name`` lies in [``low``, ``high``] seconds."""

    name: str
    low: float
    high: float
    #: The arithmetic with the numbers in it.
    formula: str
    #: Why it is so, for a reader.
    why: str

    def allows(self, seconds: float, *, resolution: float = 0.0) -> bool:
        """Return whether a measured duration keeps the promise: not above ``high``.

        ``resolution`` (seconds) is how far the measurement itself may be off.
        """
        return seconds <= self.high + resolution

    def explains(self, seconds: float, *, resolution: float = 0.0) -> bool:
        """Return whether a measured duration lies within both ends, give or take ``resolution``.

        Shorter than ``low`` breaks no promise; it means that something else happened.
        """
        return self.low - resolution <= seconds <= self.high + resolution


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


def rs_removed(check: CheckSpec, delay_loop: float, answer: Answer) -> Bound:
    """When a real server that went away leaves the table: [(R+1)P + R.B, D + (R+1)P + R.B].

    D delay_loop, R retry, B delay_before_retry, P how long one failed attempt takes: 0 when
    refused, connect_timeout when nothing answers (it also limits the wait for HTTP's answer),
    anything between when the kernel finds out that the neighbour is gone. keepalived:
    check_http.c epilog(), check_tcp.c tcp_epilog(): down with failure R+1, B between them.
    A MISC_CHECK is taken to fail, within its misc_timeout (default: delay_loop). check_udp.c
    udp_epilog() and check_dns.c dns_final() count alike; a port that is closed is an ICMP there,
    of which a kernel sends six at once and then one a second to a host (net.ipv4.icmp_ratelimit).
    A datagram that the server had not read when it ended gets none: that attempt, of before the
    fault, fails after connect_timeout, which may be longer than delay_loop.
    """
    tries, waits = check.retry + 1, check.retry * check.delay_before_retry
    longest = _attempt(check, delay_loop)
    if check.kind == "MISC_CHECK":
        shortest = 0.0
    else:
        shortest = longest if answer == "timeout" else 0.0
        longest = 0.0 if answer == "refused" else longest
    spent = _s(longest) if shortest == longest else f"0..{_s(longest)}"
    notices, loop = delay_loop, "delay_loop"
    if answer == "refused" and check.kind in UDP_CHECKS and check.connect_timeout > delay_loop:
        notices, loop = check.connect_timeout, "connect_timeout"
    return Bound(
        "removal",
        tries * shortest + waits,
        notices + tries * longest + waits,
        f"0..{_s(notices)} + {tries} x {spent} + {check.retry} x {_s(check.delay_before_retry)}",
        f"up to {loop} until a check notices, then {tries} failed attempts with "
        "delay_before_retry between them",
    )


def rs_back(check: CheckSpec, delay_loop: float, *, attempt: float | None = None) -> Bound:
    """When a real server that answers again is back in the table.

    While it is down, attempts come max(D, B) apart, each taking ``attempt`` seconds to fail
    (None: as long as one may). HTTP_GET and SSL_GET want two successes, D apart: the first only
    ends the failed state, then all URLs are asked again (check_http.c epilog(), ``failed_url``).
    """
    spent = _attempt(check, delay_loop) if attempt is None else attempt
    # check_dns.c and check_udp.c retry while it is up, and only then.
    udp = check.kind in UDP_CHECKS
    apart = delay_loop if udp else max(delay_loop, check.delay_before_retry)
    again = delay_loop if check.kind in ASKING else 0.0
    if check.kind in ASKING:
        why = f"{check.kind} wants two good answers in a row, delay_loop apart"
    else:
        why = "the first attempt that succeeds brings it back"
    second = f" + {_s(again)}" if again else ""
    return Bound("return", again, spent + apart + again, f"0..{_s(spent + apart)}{second}", why)


def never_notices(check: CheckSpec, answer: Answer) -> bool:
    """Say whether a check may be content for ever with a real server that went away so.

    The kernel of a frozen one still accepts connections, and TCP_CHECK asks no more. Silence is
    success to a UDP_CHECK without require_reply (layer4.c, udp_socket_state()); that nobody
    answers ARP is a failure, if the kernel finds out before connect_timeout: no promise.
    """
    if check.kind == "UDP_CHECK" and not check.require_reply:
        return answer != "refused"
    return check.kind == "TCP_CHECK" and answer == "timeout"


def second_outage_after_link_return(
    spec: TopologySpec, instance: VrrpInstanceSpec, returning: str, *, down_for: float | None = None
) -> Bound:
    """The outage when a director's link comes *back*: [RS back - VIP back], never below 0.

    With its link down the director's checks fail at once (no route), so R.B to D + R.B later
    its table is empty; ``down_for`` (seconds the link was down; None: long enough) says whether
    that happened. Back up, it takes the VIPs again after :func:`take_back`, whether or not a
    check has passed: VRRP does not ask the checkers. From then until the first real server is
    back (:func:`rs_back`, from the same moment on) the VIP points to an empty table. For D 6 s
    and priority 100, advert 1 s, that is 6..12 s less 3.609 s (seen: 5.0 s). With NAT there is
    none: checks take the inside network, which was up.
    """
    if spec.inside is not None:
        return _none("its checks take the inside network, which was up: its table is full")
    member = next((m for m in instance.members if m.director == returning), None)
    again = take_back(instance, member) if member is not None else None
    if again is None:
        return _none(f"{returning} does not take the VIP back")
    vips = {v.ip for v in instance.vips}
    bounds = [_empty_table(vs, again, down_for) for vs in spec.virtual_servers if vs.vip in vips]
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
    for instance in _held(spec, target, holder, vip):
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
) -> Bound | None:
    """What the client of the VIP(s) loses by a fault; None where nothing is promised.

    A director's: an ``outage``, in which nothing is answered; 0 where it does not hold the VIP,
    or where its kernel goes on forwarding. A real server's: the time for which a share of the
    requests fails (``degraded``). None: unknown fault or node, no director to take over, a real
    server that no check of it will remove, or without which nothing is left. Without ``vip``
    the bound covers all VIPs; several instances with different holders need it.
    """
    if any(d.name == target for d in spec.directors):
        effect = effect_of(fault, "director")
        if effect is None:
            return None
        if effect == "nothing":
            return _none("nobody notices it")
        if not _held(spec, target, holder, vip):
            return _none(f"{target} does not hold the VIP")
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
            return _expected_of_real_server(spec, answer, target, vip, speaks(fault))
    return None


def _expected_of_real_server(
    spec: TopologySpec,
    answer: Answer,
    target: str,
    vip: IPv4Address | None,
    only: Language | None,
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
            bounds.append(rs_removed(member.check, vs.delay_loop, answer))
    bound = _hull(bounds)
    if bound is None:
        return _none(f"{target} gets no requests")
    return replace(bound, name="degraded")


def _empty_table(vs: VirtualServerSpec, again: Bound, down_for: float | None) -> Bound:
    """Return for how long one virtual server has no real server after the VIP is back."""
    backs: list[Bound] = []
    surely_empty = vs.sorry_server is None
    for member in _served(vs):
        if member.check is None:
            return _none("a real server without a check never leaves the table")
        gone = rs_removed(member.check, vs.delay_loop, "refused")
        if down_for is not None and down_for < gone.low:
            return _none(f"{_s(down_for)} without link is too short to empty the table")
        surely_empty &= down_for is None or down_for >= gone.high
        backs.append(rs_back(member.check, vs.delay_loop, attempt=0.0))
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


def _attempt(check: CheckSpec, delay_loop: float) -> float:
    if check.kind == "MISC_CHECK":
        return delay_loop if check.misc_timeout is None else check.misc_timeout
    return check.connect_timeout


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


def _s(seconds: float) -> str:
    """Write a duration to the millisecond: ``3 s``, ``0.805 s``."""
    text = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return f"{text} s"
