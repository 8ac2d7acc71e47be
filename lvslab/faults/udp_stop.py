"""What answers a real server's datagrams ends, DNS aside; the machine and the VIP on lo stay."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import no_udp_server, started, stopped


def _inject(target: Target) -> list[Operation]:
    return stopped(target, "UDP")


def _heal(target: Target) -> list[Operation]:
    return started(target, "UDP")


FAULT = Fault(
    name="udp-stop",
    summary="stop the server of plain UDP",
    expect={
        "real-server": (
            "A closed UDP port is told by an ICMP, and a kernel sends one host six of them at "
            "once and then one a second: the first requests are refused, most of those that "
            "follow time out. So its share of the datagrams fails until the first check and all "
            "its retries have failed; then the real server leaves the table and the others "
            "answer everything."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "refused"},
    speaks="UDP",
    refuses=no_udp_server,
    lesson={
        "real-server": (
            "A closed port is the one thing that UDP_CHECK sees without require_reply, and it "
            "hangs on an ICMP that a firewall drops and a kernel rations. Who requires a reply "
            "need not rely on that."
        ),
    },
)
