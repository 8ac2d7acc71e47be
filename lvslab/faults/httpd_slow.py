"""The web server takes its time for each answer."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import no_queue, no_web_server, queue_of


class HttpdSlow(Params):
    """How slow."""

    delay: float = Field(default=0.3, gt=0, le=60)
    """Seconds that each answer waits."""


def _inject(target: Target) -> list[Operation]:
    from lvslab.plan.serving import httpd_ports

    delay = f"{target.given(HttpdSlow).delay * 1000:g}ms"
    # Segments with PSH carry an answer's end, those with FIN follow it: both wait, so that they
    # stay in order. The handshake and the receipt of the request do not (RFC 9293 section 3.1:
    # the flags are octet 13 of the TCP header, 33 behind an IPv4 header without options).
    tcp = "protocol ip u32 match ip protocol 6 0xff"
    matches = [
        f"{tcp} match ip sport {port} 0xffff match u8 {flag} {flag} at 33".split()
        for port in httpd_ports(target.lab, target.name)
        for flag in ("0x08", "0x01")
    ]
    return queue_of(target, ["netem", "delay", delay], *matches)


FAULT = Fault(
    name="httpd-slow",
    summary="delay every answer of the web server, and nothing else",
    expect={
        "real-server": (
            "Every answer comes late by the delay. Below the check's connect_timeout nothing is "
            "removed, and the share of the client's requests that goes there is slow for ever, or "
            "fails where the client's deadline is shorter; above it HTTP_GET fails like that of a "
            "hung server. TCP_CHECK never notices."
        ),
    },
    inject=_inject,
    heal=no_queue,
    params=HttpdSlow,
    refuses=no_web_server,
    lesson={
        "real-server": (
            "A check passes or fails, and slow passes. What the client calls an outage is its own "
            "deadline, of which keepalived knows nothing."
        ),
    },
)
