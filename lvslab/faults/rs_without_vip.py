"""The VIP is taken from the lo of a real server; nothing else about it changes."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import lo_vips, no_vip


def _inject(target: Target) -> list[Operation]:
    return [
        {"op": "address", "address": vip, "dev": "lo", "present": False, "must": True}
        for vip in lo_vips(target)
    ]


def _heal(target: Target) -> list[Operation]:
    return [
        {"op": "address", "address": vip, "dev": "lo", "present": True} for vip in lo_vips(target)
    ]


FAULT = Fault(
    name="rs-without-vip",
    summary="take the VIP from the real server's lo",
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
