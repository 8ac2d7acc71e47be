"""The node's power is cut: everything in it is killed and the container ends."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "power-off"}]


def _heal(target: Target) -> list[Operation]:
    # Starting the container is the heal: a machine that boots has its state from its
    # configuration, and nothing of before is put back.
    del target
    return []


FAULT = Fault(
    name="power-off",
    summary="cut the node's power: kill everything in it, container included",
    expect={
        "director": (
            "Adverts stop, and so does the kernel that held the VIP: as with link-down the "
            "client waits until the backup's master-down timer has run out. Started again it "
            "checks the real servers before it serves, and takes the VIP back if it may preempt."
        ),
        "real-server": (
            "Its address answers nothing, not even with a refusal. Its share of the requests "
            "fails until the checks, each waiting for its timeout, have removed it."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "silent", "real-server": "unreachable"},
    engine_heal=True,
)
