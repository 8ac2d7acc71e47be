"""A real server is given weight 0 in every director: no new requests, and no check fails."""

from __future__ import annotations

from dataclasses import replace

from lvslab.faults.model import Fault, Part, Target, nothing
from lvslab.faults.nodefiles import keepalived_back, rewrite_keepalived


def _in_directors(target: Target) -> list[Part]:
    spec = replace(
        target.lab,
        virtual_servers=tuple(
            replace(
                vs,
                members=tuple(
                    replace(m, weight=0) if m.server == target.name else m for m in vs.members
                ),
            )
            for vs in target.lab.virtual_servers
        ),
    )
    return [
        Part(d.name, rewrite_keepalived(spec, d.name), keepalived_back(target))
        for d in spec.directors
    ]


def _not_served(target: Target) -> str | None:
    members = [m for vs in target.lab.virtual_servers for m in vs.members]
    return None if any(m.server == target.name for m in members) else "no director sends to it"


FAULT = Fault(
    name="drain",
    summary="give the real server weight 0 in every director, by reloading keepalived",
    expect={
        "real-server": (
            "No scheduler chooses a real server of weight 0, but it stays in the table and what "
            "is open there is forwarded to it. The others serve everything; no request fails."
        ),
    },
    inject=nothing,
    heal=nothing,
    elsewhere=_in_directors,
    effect={"real-server": "nothing"},
    refuses=_not_served,
    lesson={
        "real-server": (
            "Weight 0 is the way to take a server out that costs nobody anything; removing it "
            "from the configuration ends its open connections."
        ),
    },
)
