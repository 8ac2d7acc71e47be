"""The node's service gets the processor for a part of the time only."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import no_web_server


class CpuStarve(Params):
    """How long it waits, and how long it runs."""

    stalled: float = Field(default=0.6, ge=0.05, le=600)
    """Seconds without the processor."""
    running: float = Field(default=0.2, ge=0.05, le=600)
    """Seconds with it."""


def _service(target: Target) -> str:
    return "keepalived" if target.role == "director" else "httpd"


def _signal(target: Target, signal: str) -> Operation:
    name = _service(target)
    return {"op": "kill", "name": name, "signal": signal, "who": "all", "if_running": True}


def _inject(target: Target) -> list[Operation]:
    # Stopped and continued from outside, as a hypervisor does with a processor that it gives to
    # another guest. Work that competes for it would starve the neighbours and the probe as well.
    given = target.given(CpuStarve)
    return [
        {
            "op": "alternate",
            "name": "cpu-starve",
            "one": _signal(target, "STOP"),
            "one_for": given.stalled,
            "other": _signal(target, "CONT"),
            "other_for": given.running,
            "touches": f"service:{_service(target)}",
        }
    ]


def _heal(target: Target) -> list[Operation]:
    return [{"op": "alternate-end", "name": "cpu-starve"}, _signal(target, "CONT")]


def _nothing_runs(target: Target) -> str | None:
    return None if target.role == "director" else no_web_server(target)


FAULT = Fault(
    name="cpu-starve",
    summary="give keepalived, or the web server, the processor for a part of the time only",
    expect={
        "director": (
            "A stall that is longer than the backup's master-down timer is a failover for "
            "nothing: the kernel keeps the VIP and forwards on, the backup takes it too, and once "
            "it runs again the old master's adverts have the backup give way. Shorter stalls only "
            "make adverts late. So it goes back and forth."
        ),
        "real-server": (
            "The kernel accepts, and the answer waits for the web server to run again. Stalls "
            "that are shorter than connect_timeout are only slow; longer ones make checks fail, "
            "and it is removed if all its retries fall into stalls."
        ),
    },
    inject=_inject,
    heal=_heal,
    params=CpuStarve,
    refuses=_nothing_runs,
    lesson={
        "director": (
            "Adverts ten times a second want a processor ten times a second. A guest on a busy "
            "host needs slower timers, or a priority (vrrp_rt_priority) that the host respects."
        ),
    },
)
