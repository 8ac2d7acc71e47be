"""Every bound that a configuration promises, in one list. Pure; seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lvslab.timeline import bounds, checkbounds
from lvslab.timeline.bound import Bound
from lvslab.timeline.checkbounds import Answer
from lvslab.topology.spec import TopologySpec, VrrpInstanceSpec
from lvslab.topology.spoken import UDP_CHECKS, Language, asked_language

#: How a real server can go, and a fault that makes it go so; of one program what stops that.
_WAYS: tuple[tuple[Answer, str, str], ...] = (
    ("refused", "", "its port refuses"),
    ("timeout", "freeze", "it accepts and says nothing"),
    ("unreachable", "power-off", "it is gone"),
)
_STOPS: Mapping[Language, str] = {"HTTP": "httpd-stop", "DNS": "dns-stop", "UDP": "udp-stop"}

#: The same, of a check that sends a datagram.
_DATAGRAM: Mapping[Answer, str] = {
    "refused": "its port refuses (ICMP)",
    "timeout": "it says nothing",
    "unreachable": "it is gone",
}


@dataclass(frozen=True, slots=True)
class Promised:
    """One bound, and what it is of."""

    #: What happens: ``lvs1 is silent (link-down, ...)``.
    what: str
    #: The VRRP instance or the virtual server.
    of: str
    #: A fault that shows it; empty where none of one's own does.
    fault: str
    bound: Bound


def all_of(spec: TopologySpec) -> list[Promised]:
    """Return every bound of a topology: of each VRRP instance, and of each virtual server."""
    found: list[Promised] = []
    for instance in spec.vrrp_instances:
        found += _of_instance(spec, instance)
    for vs in spec.virtual_servers:
        found += _of_checks(spec, vs.key)
    return found


def _of_instance(spec: TopologySpec, instance: VrrpInstanceSpec) -> Iterator[Promised]:
    order = instance.by_priority()
    if len(order) < 2:
        return
    master, heir = order[0], order[1]
    old, new = master.director, heir.director
    of = f"{instance.name} ({', '.join(str(v.ip) for v in instance.vips)})"
    crash = bounds.failover_crash(instance, heir, master)
    yield Promised(f"{old} falls silent: {new} takes over", of, "link-down", crash)
    graceful = bounds.failover_graceful(instance, heir)
    yield Promised(f"{old} says goodbye: {new} takes over", of, "keepalived-stop", graceful)
    if instance.name == spec.gateway_instance:
        lost = f"{old} loses the inside network and says goodbye: {new} takes over"
        yield Promised(lost, of, "inside-link-down", graceful)
    again = bounds.take_back(instance, master)
    if again is not None:
        yield Promised(f"{old} is back: it takes the VIP again", of, "", again)
        second = bounds.second_outage_after_link_return(spec, instance, old)
        table = "its table is still empty" if spec.inside is None else "its table stayed full"
        yield Promised(f"{old}'s link is back: {table}", of, "link-down", second)
        if instance.name == spec.gateway_instance:
            second = bounds.second_outage_after_link_return(spec, instance, old, link="inside")
            back = f"{old}'s inside link is back: its table is still empty"
            yield Promised(back, of, "inside-link-down", second)


def _of_checks(spec: TopologySpec, key: str) -> Iterator[Promised]:
    """Yield the bounds of a virtual server's checks; members of one kind of check together."""
    vs = next(v for v in spec.virtual_servers if v.key == key)
    checks = {m.check: m for m in reversed(vs.members) if m.check is not None}
    for check, member in reversed(checks.items()):
        named = [m.server for m in vs.members if m.check == check]
        who = "a real server" if len(named) == len(vs.members) else ", ".join(named)
        for answer, fault, words in _WAYS:
            if checkbounds.never_notices(check, answer):
                continue
            if check.kind in UDP_CHECKS:
                words = _DATAGRAM[answer]
            fault = fault or _STOPS[asked_language(spec, vs, member)]
            gone = checkbounds.rs_removed(check, vs.delay_loop, answer)
            yield Promised(f"{who} is removed: {words}", key, fault, gone)
        yield Promised(f"{who} is put back", key, "", checkbounds.rs_back(check, vs.delay_loop))
