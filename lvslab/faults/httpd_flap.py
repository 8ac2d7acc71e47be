"""The web server ends and comes back, again and again."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import no_web_server


class HttpdFlap(Params):
    """How quickly."""

    down: float = Field(default=3.0, ge=0.5, le=600)
    """Seconds without a web server."""
    up: float = Field(default=3.0, ge=0.5, le=600)
    """Seconds with it."""


def _inject(target: Target) -> list[Operation]:
    given = target.given(HttpdFlap)
    return [
        {
            "op": "alternate",
            "name": "httpd-flap",
            "one": {"op": "service-stop", "name": "httpd"},
            "one_for": given.down,
            "other": {"op": "service-start", "name": "httpd"},
            "other_for": given.up,
            "touches": "service:httpd",
        }
    ]


def _heal(target: Target) -> list[Operation]:
    del target
    return [
        {"op": "alternate-end", "name": "httpd-flap"},
        {"op": "service-start", "name": "httpd"},
    ]


FAULT = Fault(
    name="httpd-flap",
    summary="stop and start the web server in turn",
    expect={
        "real-server": (
            "Each time it is down its share of the requests is refused until the checks have "
            "removed it, if it is down for so long; each time it is back the checks want to have "
            "seen it before it is given requests. Shorter than a check and its retries, it is "
            "never removed, and fails requests at every turn."
        ),
    },
    inject=_inject,
    heal=_heal,
    params=HttpdFlap,
    refuses=no_web_server,
    lesson={
        "real-server": (
            "retry and delay_before_retry trade the one mistake for the other: patient checks "
            "keep a flapping server in the table, eager ones throw a busy one out."
        ),
    },
)
