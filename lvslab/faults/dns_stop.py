"""The DNS server of a real server ends; the machine, its kernel and the VIP on lo stay."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import no_dns_server, started, stopped


def _inject(target: Target) -> list[Operation]:
    return stopped(target, "DNS")


def _heal(target: Target) -> list[Operation]:
    return started(target, "DNS")


FAULT = Fault(
    name="dns-stop",
    summary="stop the DNS server",
    expect={
        "real-server": (
            "Over TCP the kernel refuses connections at once. A closed UDP port is told by an "
            "ICMP, and a kernel sends one host six of them at once and then one a second: the "
            "first requests are refused, most of those that follow time out. So its share of "
            "the questions fails until the first check and all its retries have failed; then "
            "the real server leaves the table and the others answer everything."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "refused"},
    speaks="DNS",
    refuses=no_dns_server,
    lesson={
        "real-server": (
            "A resolver asks again, or asks another server, after seconds of its own: what is "
            "one lost question here is a page that hangs there. DNS_CHECK asks over UDP alone, "
            "whatever the virtual server speaks."
        ),
    },
)
