"""Runs what a fault does outside its node (lvslab.faults.outside) through the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvslab.engine.throwaway import throw_away
from lvslab.errors import FaultError, LabError
from lvslab.faults.model import Operation
from lvslab.faults.outside import PEER
from lvslab.lab.api import asking

if TYPE_CHECKING:
    from docker.models.containers import Container

    from lvslab.engine.base import Engine


def run_beside(engine: Engine, container: Container, node: str, op: Operation) -> float:
    """Do an operation beside a running node; return when it acted, on the engine's clock.

    Raises FaultError where the engine's machine is not lvslab's own, and it would be changed;
    LabError when the program failed, EngineError when the engine does not answer.
    """
    if op["machine"] and engine.kind != "embedded":
        raise FaultError(
            "this fault changes the whole machine, and this engine's is not lvslab's own",
            where=node,
            fix="use the embedded engine: lvslab --engine embedded up",
        )
    argv, network = list(op["argv"]), f"container:{container.id}"
    with asking(f"doing a part of the fault beside {node}"):
        if PEER in argv:
            peer = _peer(container, node, op["interface"])
            argv = [peer if word == PEER else word for word in argv]
        if op["network"] == "host":
            network = "host"
        image = str(engine.client.api.inspect_container(str(container.id))["Image"])
        said = throw_away(
            engine.client,
            image,
            argv,
            what="fault",
            network_mode=network,
            sysctls=op["sysctls"] or None,
            cap_add=op["capabilities"] or None,
        )
    first, *more = said.strip().splitlines() or [""]
    try:
        when = float(first)
    except ValueError:
        more = [first, *more]
    if more:
        raise LabError(
            f"a part of the fault that lies outside it failed: {more[-1]}",
            where=node,
            fix="lvslab doctor looks for what the engine lacks",
        )
    return when


def _peer(container: Container, node: str, interface: str) -> str:
    """Return the index of the other end of a node's interface, in the engine's own network."""
    path = f"/sys/class/net/{interface}/iflink"
    output = container.exec_run(["cat", path]).output
    index = output.decode(errors="replace").strip() if isinstance(output, bytes) else ""
    if not index.isdigit():
        raise LabError(
            f"the other end of {interface} was not found: {index}",
            where=node,
            fix="the node must be on a bridge network of the engine's",
        )
    return index
