"""A track_file lowers the priority of a director that is otherwise well."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import keepalived_back, rewrite_keepalived, with_tracker


class PriorityChange(Params):
    """By how much."""

    by: int = Field(default=-60, ge=-253, le=253)
    """What the file says, which is added to the priority (1 to 254)."""


_FILE = "/etc/keepalived/priority"


def _inject(target: Target) -> list[Operation]:
    track = (f'file "{_FILE}"', "weight 1")
    spec = with_tracker(target, "track_file", "track_file", track)
    by = target.given(PriorityChange).by
    return [
        {"op": "write", "path": _FILE, "content": f"{by}\n"},
        *rewrite_keepalived(spec, target.name),
    ]


def _heal(target: Target) -> list[Operation]:
    return [*keepalived_back(target), {"op": "write-back", "path": _FILE}]


FAULT = Fault(
    name="priority-change",
    summary="change the director's priority by a track_file",
    expect={
        "director": (
            "keepalived goes on with another priority. Below the backup's, the backup hears "
            "adverts of a lower priority than its own, ignores them, and takes over when its "
            "master-down timer has run out; the old master gives way to the first advert that it "
            "hears. Both serve in between: hardly anything is lost."
        ),
    },
    inject=_inject,
    heal=_heal,
    params=PriorityChange,
    lesson={
        "director": (
            "It is how a director is taken out of service without stopping anything, and it "
            "works only where the others may preempt."
        ),
    },
)
