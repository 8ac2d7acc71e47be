"""A real server answers ARP for the VIP that is on its lo (arp_ignore 0)."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Part, Target
from lvslab.faults.nodefiles import announced_anew, no_vip, own_vips
from lvslab.faults.outside import FORGET, SAY_WHEN, beside

_KEY = "net.ipv4.conf.all.arp_ignore"


def _set(value: str) -> list[Operation]:
    return [beside(SAY_WHEN, touches=f"sysctl:{_KEY}", sysctls={_KEY: value})]


def _inject(target: Target) -> list[Operation]:
    del target  # whichever it is
    return _set("0")


def _heal(target: Target) -> list[Operation]:
    from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS

    del target  # whichever it is
    return _set(dict(REAL_SERVER_SYSCTLS)[_KEY])


def _elsewhere(target: Target) -> list[Part]:
    """Have every client ask anew whose the VIP is, and the director say so in the end."""
    # The entry of a client in use is confirmed by unicast, and never asked for again.
    forget = [
        beside(FORGET, vip, "eth0", touches=None, capabilities=("NET_ADMIN",))
        for vip in own_vips(target)
    ]
    return [*(Part(c.name, forget, []) for c in target.lab.clients), *announced_anew(target)]


FAULT = Fault(
    name="arp-flux",
    summary="let the real server answer ARP for the VIP (arp_ignore 0)",
    expect={
        "real-server": (
            "A client that asks whose the VIP is gets two answers, the holder's and the real "
            "server's, and keeps the first. With the real server's it goes past the director: "
            "every request is answered by that one, unscheduled and unchecked, until the client "
            "asks again. Nothing fails, and no table shows it."
        ),
    },
    inject=_inject,
    heal=_heal,
    elsewhere=_elsewhere,
    refuses=no_vip,
    lesson={
        "real-server": (
            "arp_ignore 1 and arp_announce 2 are what makes direct routing work at all. Which of "
            "two answers is the first changes from client to client, and from day to day."
        ),
    },
)
