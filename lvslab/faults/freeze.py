"""Every process of the node stands still (SIGSTOP), while its kernel goes on."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "freeze"}]


def _heal(target: Target) -> list[Operation]:
    del target
    return [{"op": "thaw"}]


FAULT = Fault(
    name="freeze",
    summary="freeze every process of the node, as a stalled machine or a long pause would",
    expect={
        "director": (
            "keepalived sends no adverts, but the kernel keeps the VIP and goes on forwarding. "
            "The backup takes the VIP too after its master-down timer: two holders, hardly an "
            "outage. Thawed, the old master hears or sends an advert and one of them gives way."
        ),
        "real-server": (
            "The kernel still accepts connections for the frozen httpd, and nobody answers in "
            "them: TCP_CHECK stays content, HTTP_GET fails after its timeout. Its share of the "
            "requests fails until the checks have removed it."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "forwarding", "real-server": "timeout"},
    lesson={
        "director": (
            "Forwarding is the kernel's work and does not need keepalived: a frozen director "
            "still serves, and shares the VIP with the one that replaced it."
        ),
        "real-server": (
            "An accepted connection proves only that a kernel is there. A check has to ask for "
            "what the client asks for."
        ),
    },
)
