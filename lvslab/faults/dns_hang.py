"""The DNS server stands still (SIGSTOP): its kernel takes questions, and nobody answers."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import goes_on, hung, no_dns_server


def _inject(target: Target) -> list[Operation]:
    return hung(target, "DNS")


def _heal(target: Target) -> list[Operation]:
    return goes_on(target, "DNS")


FAULT = Fault(
    name="dns-hang",
    summary="stop every process of the DNS server in its tracks (SIGSTOP)",
    expect={
        "real-server": (
            "Over UDP questions wait in the socket of the hung server, over TCP its kernel "
            "completes the handshake: either way no answer comes, and its share of the "
            "questions times out. DNS_CHECK waits for connect_timeout, fails, and after its "
            "retries the real server leaves the table. TCP_CHECK, and UDP_CHECK without "
            "require_reply, are content for ever."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "timeout"},
    speaks="DNS",
    refuses=no_dns_server,
    lesson={
        "real-server": (
            "Only a check that asks a question and wants an answer sees a server that hangs: "
            "DNS_CHECK does."
        ),
    },
)
