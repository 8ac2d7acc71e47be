"""When keepalived's checks take a real server out of the table, and put it back. Pure; seconds."""

from __future__ import annotations

from typing import Literal

from lvslab.timeline.bound import Bound
from lvslab.timeline.bound import in_seconds as _s
from lvslab.topology.spec import ASKING, CheckSpec
from lvslab.topology.spoken import UDP_CHECKS

#: How a real server that is gone answers a connection. ``refused``: at once, by a reset.
#: ``timeout``: not at all. ``unreachable``: not at all, and sooner or later the kernel says so
#: itself, because nobody answers its ARP; then an attempt ends early.
Answer = Literal["refused", "timeout", "unreachable"]


def rs_removed(
    check: CheckSpec, delay_loop: float, answer: Answer, *, ending: float = 0.0
) -> Bound:
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

    ``ending``: the seconds that a program told to end took to do so (Apache waits for what its
    children have open), in which its port still accepts and nobody answers. A check that asks
    fails in them, after P each time; they lie one after the other between the fault and the end,
    so that L seconds of it count where they are more than D, and never more than (R+1)P beyond D.
    One that only connects passes until the end, and D begins there.
    """
    tries, waits = check.retry + 1, check.retry * check.delay_before_retry
    attempt = longest = _attempt(check, delay_loop)
    if check.kind == "MISC_CHECK":
        shortest = 0.0
    else:
        shortest = attempt if answer == "timeout" else 0.0
        longest = 0.0 if answer == "refused" else attempt
    spent = _s(longest) if shortest == longest else f"0..{_s(longest)}"
    notices, loop, note = delay_loop, "delay_loop", ""
    if answer == "refused" and check.kind in UDP_CHECKS and check.connect_timeout > delay_loop:
        notices, loop = check.connect_timeout, "connect_timeout"
    if answer == "refused":
        if never_notices(check, "timeout"):
            held = ending + delay_loop
        else:
            held = min(ending, delay_loop + tries * attempt)
        if held > notices:
            notices, loop = held, f"{_s(held)} (its program took {_s(ending)} to end)"
            note = f" (it took {_s(ending)} to end)"
    return Bound(
        "removal",
        tries * shortest + waits,
        notices + tries * longest + waits,
        f"0..{_s(notices)}{note} + {tries} x {spent}"
        f" + {check.retry} x {_s(check.delay_before_retry)}",
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


def _attempt(check: CheckSpec, delay_loop: float) -> float:
    if check.kind == "MISC_CHECK":
        return delay_loop if check.misc_timeout is None else check.misc_timeout
    return check.connect_timeout
