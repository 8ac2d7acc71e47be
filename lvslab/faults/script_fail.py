"""A vrrp_script of a director fails."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import keepalived_back, rewrite_keepalived, with_instances
from lvslab.topology.spec import VrrpInstanceSpec


class ScriptFail(Params):
    """What the failure counts."""

    weight: int = Field(default=0, ge=-253, le=0)
    """Added to the priority while the script fails; 0: the director is in FAULT."""


def _tracks(instance: VrrpInstanceSpec) -> VrrpInstanceSpec:
    return replace(instance, raw=instance.raw + "\ntrack_script {\n    lvslab\n}\n")


def _inject(target: Target) -> list[Operation]:
    # Debian's keepalived wants a user for its scripts; where the topology has names none.
    user = "script_user root\nenable_script_security\n"
    checks = [m.check for vs in target.lab.virtual_servers for m in vs.members if m.check]
    if any(check.kind == "MISC_CHECK" for check in checks):
        user = ""  # named already
    script = (
        # Not /bin/false: /bin is a link, and keepalived calls a script behind one insecure.
        "}\n\nvrrp_script lvslab {\n    script /usr/bin/false\n    interval 1\n"
        f"    weight {target.given(ScriptFail).weight}\n    fall 1\n"
    )
    spec = with_instances(target, _tracks)
    spec = replace(spec, global_raw=f"{spec.global_raw}\n{user}{script}")
    return rewrite_keepalived(spec, target.name)


def _heal(target: Target) -> list[Operation]:
    del target
    return keepalived_back()


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
    heal=_heal,
    params=ScriptFail,
    lesson={
        "director": (
            "A script that watches what the director cannot do its work without is what VRRP "
            "itself does not have. One that is wrong takes a healthy director out."
        ),
    },
)
