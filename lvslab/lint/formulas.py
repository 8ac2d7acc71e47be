"""The formulas of :mod:`lvslab.timeline.bounds`, for what a keepalived.conf says."""

from __future__ import annotations

from ipaddress import IPv4Address

from lvslab.conf.models import Check, Instance
from lvslab.timeline import bounds, checkbounds
from lvslab.timeline.bound import Bound
from lvslab.timeline.checkbounds import Answer
from lvslab.topology.spec import CheckKind, CheckSpec, VrrpInstanceSpec, VrrpMember

#: Checks that go by the same formula as the kind they are given here.
_LIKE: dict[str, CheckKind] = {
    "HTTP_GET": "HTTP_GET",
    "SSL_GET": "SSL_GET",
    "TCP_CHECK": "TCP_CHECK",
    "UDP_CHECK": "UDP_CHECK",
    "DNS_CHECK": "DNS_CHECK",
    "SMTP_CHECK": "TCP_CHECK",
    "PING_CHECK": "TCP_CHECK",
    "MISC_CHECK": "MISC_CHECK",
}


def removal(check: Check, answer: Answer) -> Bound | None:
    """Return when a real server that is gone leaves the table; None where no formula is known."""
    kind = _LIKE.get(check.kind)
    if kind is None:
        return None
    spec = CheckSpec(
        kind,
        connect_timeout=check.connect_timeout,
        retry=check.retry,
        delay_before_retry=check.delay_before_retry,
        misc_timeout=check.misc_timeout,
    )
    return checkbounds.rs_removed(spec, check.delay_loop, answer)


def failover(instance: Instance, heir: Instance) -> Bound:
    """Return when ``heir`` takes over from a director that fell silent.

    For keepalived's own three adverts; down_timer_adverts is added where it is another number.
    """
    members = tuple(
        VrrpMember(name, IPv4Address(0), one.priority, "BACKUP", False, None)
        for name, one in (("the master", instance), ("the backup", heir))
    )
    spec = VrrpInstanceSpec(
        heir.name,
        heir.vrid or 1,
        3 if heir.version == 3 else 2,
        heir.advert_int,
        (),
        members,
        heir.unicast,
    )
    bound = bounds.failover_crash(spec, members[1], members[0])
    more = (heir.down_timer_adverts - bounds.DOWN_TIMER_ADVERTS) * heir.advert_int
    if not more:
        return bound
    return Bound(
        bound.name,
        bound.low + more,
        bound.high + more,
        f"{bound.formula}, and {more:+g} s by down_timer_adverts {heir.down_timer_adverts}",
        bound.why,
    )
