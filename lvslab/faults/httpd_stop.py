"""The web server of a real server ends; the machine, its kernel and the VIP on lo stay."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import no_web_server, started, stopped


def _inject(target: Target) -> list[Operation]:
    return stopped(target, "HTTP")


def _heal(target: Target) -> list[Operation]:
    return started(target, "HTTP")


FAULT = Fault(
    name="httpd-stop",
    summary="stop the web server",
    expect={
        "real-server": (
            "The kernel refuses connections to the port at once. The requests that the director "
            "still sends there fail (half of them with two real servers and rr) until the first "
            "check and all its retries have failed; then the real server leaves the table and "
            "the others serve everything."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "refused"},
    speaks="HTTP",
    default_for=frozenset({"real-server"}),
    or_else=("dns-stop", "udp-stop"),
    refuses=no_web_server,
    lesson={
        "real-server": (
            "No VIP moves and VRRP sees nothing: this is the health check's work alone, and its "
            "delay_loop, retry and delay_before_retry are the time that clients fail."
        ),
    },
)
