"""A real server answers ARP for the VIP that is on its lo (arp_ignore 0)."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Part, Target, nothing
from lvslab.faults.nodefiles import announce, no_vip, own_vips
from lvslab.faults.outside import FORGET, SAY_WHEN, beside

_KEY = "net.ipv4.conf.all.arp_ignore"


def _set(value: str) -> Operation:
    return beside(SAY_WHEN, touches=f"sysctl:{_KEY}", sysctls={_KEY: value})


def _own() -> str:
    from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS

    return dict(REAL_SERVER_SYSCTLS)[_KEY]


def _parts(target: Target) -> list[Part]:
    """Let the real server speak, and have every client ask anew whose the VIP is."""
    vips = own_vips(target)
    # The entry of a client in use is confirmed by unicast, and never asked for again.
    forget = [
        beside(FORGET, vip, "eth0", touches=None, capabilities=("NET_ADMIN",)) for vip in vips
    ]
    again = [announce(vip, target.interface) for vip in vips]
    return [
        Part(target.name, [_set("0")], [_set(_own())]),
        *(Part(c.name, forget, []) for c in target.lab.clients),
        *(Part(d.name, [], again) for d in target.lab.directors),
    ]


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
    inject=nothing,
    heal=nothing,
    elsewhere=_parts,
    refuses=no_vip,
    lesson={
        "real-server": (
            "arp_ignore 1 and arp_announce 2 are what makes direct routing work at all. Which of "
            "two answers is the first changes from client to client, and from day to day."
        ),
    },
)
