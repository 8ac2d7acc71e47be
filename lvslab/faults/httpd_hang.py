"""The web server stands still (SIGSTOP): its kernel accepts, and nobody answers."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import goes_on, hung, no_web_server


def _inject(target: Target) -> list[Operation]:
    return hung(target, "HTTP")


def _heal(target: Target) -> list[Operation]:
    return goes_on(target, "HTTP")


FAULT = Fault(
    name="httpd-hang",
    summary="stop every process of the web server in its tracks (SIGSTOP)",
    expect={
        "real-server": (
            "The kernel completes the handshake for the hung web server, and no answer comes: "
            "requests time out. HTTP_GET waits for connect_timeout, fails, and after its retries "
            "the real server leaves the table. TCP_CHECK is content with the handshake for ever."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "timeout"},
    speaks="HTTP",
    refuses=no_web_server,
    lesson={
        "real-server": (
            "A port that accepts is no service that answers. The node itself is well, which is "
            "why neither ping nor TCP_CHECK tells."
        ),
    },
)
