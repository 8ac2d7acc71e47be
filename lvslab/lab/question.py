"""What a client asks a virtual server, so that whoever answers says who it is. Pure."""

from __future__ import annotations

from typing import Any

from lvslab.topology.served import request_to
from lvslab.topology.spec import TopologySpec, VirtualServerSpec
from lvslab.topology.spoken import language


def question(spec: TopologySpec, vs: VirtualServerSpec) -> dict[str, Any]:
    """Return the agent's ``request`` for a virtual server, but for how often and how long."""
    spoken = language(spec, vs)
    if spoken == "HTTP":
        return request_to(spec, vs)
    where = {"vip": str(vs.vip), "port": vs.port}
    return where | {"language": spoken, "protocol": vs.protocol}
