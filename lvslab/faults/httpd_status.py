"""The web server answers every request with another status than 200."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import httpd_back, no_web_server, rewrite_httpd


class HttpdStatus(Params):
    """Which status."""

    status: Literal[301, 302, 307, 400, 403, 404, 410, 500, 502, 503, 504] = 500
    """The status of every answer; one of 301 to 307 sends the client elsewhere."""

    @field_validator("status", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        # A command line has text only, and a Literal is not converted.
        return int(value) if isinstance(value, str) and value.isdigit() else value


def _inject(target: Target) -> list[Operation]:
    status = target.given(HttpdStatus).status
    to = " http://elsewhere.invalid/" if 300 <= status < 400 else ""
    lines = (
        "LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n"
        f"RedirectMatch {status} .*{to}\n"
    )
    return rewrite_httpd(target, lines)


FAULT = Fault(
    name="httpd-status",
    summary="let the web server answer every request with another status",
    expect={
        "real-server": (
            "Answers come at once, and are wrong. HTTP_GET compares the status with status_code, "
            "fails without waiting for anything, and after its retries the real server leaves the "
            "table; until then its share of the requests is answered wrongly. TCP_CHECK does not "
            "look at answers."
        ),
    },
    inject=_inject,
    heal=httpd_back,
    params=HttpdStatus,
    refuses=no_web_server,
    lesson={
        "real-server": (
            "A check whose status_code allows a redirection or an error page is content with it; "
            "without one keepalived takes 200 to 299. A broken server that answers quickly "
            "attracts requests with lc and wlc."
        ),
    },
)
