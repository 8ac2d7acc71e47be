"""What a client asks a virtual server, so that whoever answers says who it is. Pure."""

from __future__ import annotations

from typing import Any

from lvslab.lab.conditions import path_of
from lvslab.topology.spec import TopologySpec, VirtualServerSpec
from lvslab.topology.spoken import language


def question(spec: TopologySpec, vs: VirtualServerSpec) -> dict[str, Any]:
    """Return the agent's ``request`` for a virtual server, but for how often and how long."""
    where = {"vip": str(vs.vip), "port": vs.port}
    spoken = language(spec, vs)
    if spoken == "HTTP":
        return where | {"path": path_of(vs)}
    return where | {"language": spoken, "protocol": vs.protocol}
