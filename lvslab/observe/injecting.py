"""A fault's parts brought into their nodes, and out of them again, by orders to the agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from lvslab.errors import LvslabError
from lvslab.faults.model import Fault, Part, Target

#: Seconds that an order may take: a service that is started is waited for.
ORDER_TIMEOUT = 60.0


class Request(Protocol):
    """Asks a node's agent and returns its answer. Raises AgentError."""

    def __call__(self, node: str, do: str, **params: Any) -> dict[str, Any]:
        """Ask."""


def inject(request: Request, fault: Fault, target: Target, fault_id: str) -> float:
    """Inject a fault; return its moment, that of its first part. Raises AgentError.

    One of several nodes is in each node's journal before any of it is done, so that it can be
    healed whenever lvslab ends; what was done of one that is refused is healed at once.
    """
    parts = fault.parts(target)

    def order(part: Part, do: str) -> dict[str, Any]:
        return request(
            part.node,
            do,
            fault=fault.name,
            fault_id=fault_id,
            target=target.name,
            ops=part.inject,
            heal=part.heal,
            timeout=ORDER_TIMEOUT,
        )

    if len(parts) == 1:
        return float(order(parts[0], "inject")["t"])
    done: list[str] = []
    try:
        for part in parts:
            order(part, "prepare")
            done.append(part.node)
        return min(
            float(request(p.node, "inject", fault_id=fault_id, timeout=ORDER_TIMEOUT)["t"])
            for p in parts
        )
    except LvslabError:
        heal(request, done, fault_id)
        raise


def heal(request: Request, nodes: Sequence[str], fault_id: str) -> None:
    """Heal one fault in all of its nodes. Raises AgentError, after all were tried."""
    failed: LvslabError | None = None
    for node in nodes:
        try:
            request(node, "heal", fault_id=fault_id, timeout=ORDER_TIMEOUT)
        except LvslabError as error:
            failed = failed or error
    if failed is not None:
        raise failed
