"""Requests through a VIP from inside the lab, one after the other: who answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lvslab.errors import NotFoundError
from lvslab.topology.served import request_to
from lvslab.topology.spoken import language

if TYPE_CHECKING:
    from lvslab.lab.lab import Lab, Node
    from lvslab.topology.spec import TopologySpec, VirtualServerSpec

#: Seconds that each request has.
DEADLINE = 3.0
#: Seconds that the agent is given beyond the deadlines of all.
_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of some requests to one virtual server."""

    #: ``VIP:PORT``, with ``/udp`` where it is UDP.
    target: str
    #: Each request as the agent told it: {result, server, ms, detail}.
    results: tuple[Mapping[str, Any], ...]
    #: Milliseconds that each good answer took, by the real server that gave it.
    milliseconds: Mapping[str, tuple[float, ...]]
    #: Requests that failed, by kind (docs/measuring.md).
    failed: Mapping[str, int]

    @property
    def served_by(self) -> dict[str, int]:
        """Good answers by real server."""
        return {name: len(ms) for name, ms in self.milliseconds.items()}

    @property
    def shares(self) -> dict[str, float]:
        """Part of the good answers that each real server gave, from 0 to 1."""
        total = sum(self.served_by.values())
        return {name: count / total for name, count in self.served_by.items()}


def virtual_server(
    spec: TopologySpec, wanted: str | None, *, http: bool = False
) -> VirtualServerSpec:
    """Return the virtual server of that VIP (and port, and ``/udp``), or the first.

    Of several that fit, one that speaks HTTP; with ``http`` there is no other. Raises
    NotFoundError.
    """
    speaks_http = [language(spec, vs) == "HTTP" for vs in spec.virtual_servers]
    known = [vs for vs, yes in zip(spec.virtual_servers, speaks_http, strict=True) if yes]
    if not http:
        known += [vs for vs in spec.virtual_servers if vs not in known]
    for vs in known:
        if wanted in (None, str(vs.vip), f"{vs.vip}:{vs.port}", vs.key):
            return vs
    of = "virtual server over HTTP" if http else "virtual server"
    raise NotFoundError(
        f"lab {spec.name!r} has no {of} {wanted}" if wanted else f"lab {spec.name!r} has no {of}",
        fix=f"there are: {', '.join(vs.key for vs in known)}" if known else None,
    )


def ask(lab: Lab, client: Node, vs: VirtualServerSpec, count: int) -> Answers:
    """Send ``count`` requests, one after the other, each with DEADLINE. Raises AgentError."""
    results: list[dict[str, Any]] = client.link().request(
        "request",
        timeout=count * DEADLINE + _GRACE,
        **request_to(lab.spec, vs),
        count=count,
        deadline=DEADLINE,
    )["results"]
    names = {str(r.address): r.name for r in lab.spec.real_servers}
    served: dict[str, list[float]] = {}
    failed: dict[str, int] = {}
    for one in results:
        if one["result"] == "ok":
            name = names.get(str(one["server"]), str(one["server"]))
            served.setdefault(name, []).append(float(one["ms"]))
        else:
            failed[one["result"]] = failed.get(one["result"], 0) + 1
    milliseconds = {name: tuple(ms) for name, ms in sorted(served.items())}
    return Answers(vs.key, tuple(results), milliseconds, failed)
