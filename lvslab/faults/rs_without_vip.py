"""The VIP is taken from a real server's lo, or its tunnel; nothing else about it changes."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import no_vip, own_vips, vip_device


def _inject(target: Target) -> list[Operation]:
    dev = vip_device(target)
    return [
        {"op": "address", "address": vip, "dev": dev, "present": False, "must": True}
        for vip in own_vips(target)
    ]


def _heal(target: Target) -> list[Operation]:
    dev = vip_device(target)
    return [
        {"op": "address", "address": vip, "dev": dev, "present": True} for vip in own_vips(target)
    ]


FAULT = Fault(
    name="rs-without-vip",
    summary="take the VIP from the real server",
    expect={
        "real-server": (
            "The director's checks ask the real server's own address, and pass. Requests carry "
            "the VIP, which its kernel does not know any more, and are not answered: its share of "
            "them fails for as long as it lasts, beside a table in which all is well."
        ),
    },
    inject=_inject,
    heal=_heal,
    refuses=no_vip,
    lesson={
        "real-server": (
            "With direct routing the check takes another way than the requests. Only one that "
            "asks for the VIP through the real server would notice."
        ),
    },
)
