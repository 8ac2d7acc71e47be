"""The parent of keepalived's processes is killed with SIGKILL; its children are not."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "kill", "name": "keepalived", "signal": "KILL", "who": "parent"}]


def _heal(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-start", "name": "keepalived"}]


FAULT = Fault(
    name="keepalived-kill",
    summary="kill -9 keepalived's parent process",
    expect={
        "director": (
            "The children asked the kernel for a SIGTERM when their parent dies "
            "(PR_SET_PDEATHSIG), so they stop gracefully: priority-0 advert, VIP removed, and "
            "the backup takes over after its skew time."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "graceful"},
    lesson={
        "director": (
            "kill -9 of the process one sees in ps is not a crash of keepalived: what was seen "
            "here is a graceful stop. keepalived-crash is the real one."
        ),
    },
)
