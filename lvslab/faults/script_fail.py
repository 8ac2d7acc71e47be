"""A vrrp_script of a director fails."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import keepalived_back, rewrite_keepalived, with_tracker


class ScriptFail(Params):
    """What the failure counts."""

    weight: int = Field(default=0, ge=-253, le=0)
    """Added to the priority while the script fails; 0: the director is in FAULT."""


def _inject(target: Target) -> list[Operation]:
    # No enable_script_security for it: a keepalived that has read that once keeps to it when it is
    # reloaded without, finds no user keepalived_script then, and opens its notify FIFOs no more
    # (script_security in keepalived's lib/notify.c).
    script = (
        # Not /bin/false: /bin is a link, and keepalived calls a script behind one insecure.
        "script /usr/bin/false",
        "user root",
        "interval 1",
        f"weight {target.given(ScriptFail).weight}",
        "fall 1",
    )
    spec = with_tracker(target, "track_script", "vrrp_script", script)
    return rewrite_keepalived(spec, target.name)


FAULT = Fault(
    name="script-fail",
    summary="give the director a vrrp_script that fails",
    expect={
        "director": (
            "Without a weight the director is in FAULT: it gives the VIP up, and says so with an "
            "advert of priority 0, so the backup waits for its skew time only. With a weight its "
            "priority is lowered by so much, and it is priority-change."
        ),
    },
    inject=_inject,
    heal=keepalived_back,
    params=ScriptFail,
    lesson={
        "director": (
            "A script that watches what the director cannot do its work without is what VRRP "
            "itself does not have. One that is wrong takes a healthy director out."
        ),
    },
)
