"""A fault's parts brought into their nodes, and out of them again.

Orders to the agents; and what lies outside a node is done through the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lvslab.errors import LvslabError
from lvslab.faults.model import Fault, Operation, Part, Target
from lvslab.faults.outside import is_outside, undo_outside
from lvslab.observe.collector import Lab

#: Seconds that an order may take: a service that is started is waited for.
ORDER_TIMEOUT = 60.0


class Request(Protocol):
    """Asks a node's agent and returns its answer. Raises AgentError."""

    def __call__(self, node: str, do: str, **params: Any) -> dict[str, Any]:
        """Ask."""


def by_links(lab: Lab) -> Request:
    """Return what asks a lab's agents over its nodes' own links."""

    def request(node: str, do: str, **params: Any) -> dict[str, Any]:
        return lab.nodes[node].link().request(do, **params)

    return request


#: Does an operation outside a node; returns when, on the engine's clock. Raises LabError.
Beside = Callable[[str, Operation], float]


def inject(request: Request, beside: Beside, fault: Fault, target: Target, fault_id: str) -> float:
    """Inject a fault; return its moment, that of its first part. Raises AgentError, LabError.

    One of several nodes, or that lies outside them, is in each node's journal before any of it is
    done, so that it can be healed whenever lvslab ends; what was done of one that is refused is
    healed at once.
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

    if len(parts) == 1 and not any(map(is_outside, parts[0].inject)):
        return float(order(parts[0], "inject")["t"])
    prepared: list[Part] = []
    begun: list[Part] = []
    try:
        for part in parts:
            order(part, "prepare")
            prepared.append(part)
        moments: list[float] = []
        for part in parts:
            begun.append(part)
            when = _outside(beside, part.node, [op for op in part.inject if is_outside(op)])
            answer = request(part.node, "inject", fault_id=fault_id, timeout=ORDER_TIMEOUT, **when)
            moments.append(float(answer["t"]))
        return min(moments)
    except LvslabError:
        heal(request, beside, prepared, fault_id, begun=begun)
        raise


def heal(
    request: Request,
    beside: Beside,
    parts: Sequence[Part],
    fault_id: str,
    *,
    begun: Sequence[Part] | None = None,
) -> None:
    """Heal one fault in all of its nodes. Raises AgentError or LabError, after all were tried.

    ``begun``: of those that were begun with; all, where it is not said.
    """
    failed: LvslabError | None = None
    for part in parts:
        prepared = begun is not None and part not in begun
        try:
            heal_part(request, beside, part.node, part.heal, fault_id, prepared=prepared)
        except LvslabError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def heal_part(
    request: Request,
    beside: Beside,
    node: str,
    healing: Sequence[Operation],
    fault_id: str,
    *,
    prepared: bool = False,
) -> None:
    """Heal one fault in one node: what lies outside first, so that its journal tells of the rest.

    ``prepared``: it is in the journal, and was not begun with. Raises AgentError, LabError.
    """
    when = _outside(beside, node, undo_outside(healing, prepared=prepared))
    request(node, "heal", fault_id=fault_id, timeout=ORDER_TIMEOUT, **when)


def _outside(beside: Beside, node: str, ops: Sequence[Operation]) -> dict[str, float]:
    """Do operations outside a node; return what its agent is to know: when the first was done."""
    moments = [beside(node, op) for op in ops]
    return {"t": moments[0]} if moments else {}
