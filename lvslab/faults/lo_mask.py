"""The VIP is on the lo of a real server with the mask of a whole network."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import no_vip, own_vips


class LoMask(Params):
    """Which mask."""

    prefix: int = Field(default=24, ge=8, le=31)
    """Length of the VIP's prefix on lo, instead of 32."""


def _inject(target: Target) -> list[Operation]:
    prefix = target.given(LoMask).prefix
    return [
        op
        for vip in own_vips(target)
        for op in (
            {"op": "address", "address": vip, "dev": "lo", "present": False, "must": True},
            {"op": "address", "address": vip, "prefix": prefix, "dev": "lo", "present": True},
        )
    ]


def _heal(target: Target) -> list[Operation]:
    prefix = target.given(LoMask).prefix
    return [
        op
        for vip in own_vips(target)
        for op in (
            {"op": "address", "address": vip, "prefix": prefix, "dev": "lo", "present": False},
            {"op": "address", "address": vip, "dev": "lo", "present": True},
        )
    ]


def _not_on_lo(target: Target) -> str | None:
    if target.lab.forwarding == "TUN":
        return "its VIP is on tunl0, where a mask is no more than a route"
    return no_vip(target)


FAULT = Fault(
    name="lo-mask",
    summary="put the VIP on the real server's lo with a wrong mask",
    expect={
        "real-server": (
            "Every address of that network is now the real server's own: what comes from one of "
            "them is taken for a forgery, and what goes to one ends in lo. It answers neither the "
            "client nor the checks, which remove it as if it were gone."
        ),
    },
    inject=_inject,
    heal=_heal,
    params=LoMask,
    effect={"real-server": "unreachable"},
    refuses=_not_on_lo,
    lesson={
        "real-server": (
            "The VIP on lo is a /32, always: on lo a mask does not say what is reached through it "
            "but what belongs to it."
        ),
    },
)
