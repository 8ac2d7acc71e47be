"""What answers a real server's datagrams stands still (SIGSTOP): they arrive, and that is all."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import goes_on, hung, no_udp_server


def _inject(target: Target) -> list[Operation]:
    return hung(target, "UDP")


def _heal(target: Target) -> list[Operation]:
    return goes_on(target, "UDP")


FAULT = Fault(
    name="udp-hang",
    summary="stop every process of the server of plain UDP in its tracks (SIGSTOP)",
    expect={
        "real-server": (
            "Datagrams wait in the socket of the hung server, and nothing comes back: its share "
            "of them times out. UDP_CHECK with require_reply waits for connect_timeout, fails, "
            "and after its retries the real server leaves the table. Without it silence is "
            "success, and clients lose their share for ever."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"real-server": "timeout"},
    speaks="UDP",
    refuses=no_udp_server,
    lesson={
        "real-server": (
            "UDP says nothing of what became of a datagram. A check that requires no reply "
            "cannot tell a server that hangs from one that is well; require_reply can."
        ),
    },
)
