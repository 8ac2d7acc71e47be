"""Healing by the agents' journals: works in a new process, after lvslab was killed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lvslab.errors import AgentError, FaultError, LabError
from lvslab.faults.model import roles_of
from lvslab.observe.collector import Lab
from lvslab.observe.injecting import by_links, heal_part


@dataclass(frozen=True, slots=True)
class Healed:
    """What was done about one node."""

    node: str
    #: The container had ended and was started.
    started: bool
    #: The faults that were healed, newest first.
    faults: tuple[str, ...]


def journal(lab: Lab, node: str) -> list[dict[str, Any]]:
    """Return a node's faults that are not healed, newest first. Raises AgentError."""
    entries: list[dict[str, Any]] = lab.nodes[node].link().request("journal")["entries"]
    return entries[::-1]


def heal(lab: Lab, node: str | None = None) -> list[Healed]:
    """Heal every fault in a node, or in all of them; return what was done where.

    A node whose container has ended is started. A node with nothing to heal is not in the
    list. Raises FaultError for an unknown node, AgentError when an agent could not heal; the
    other nodes are healed nevertheless.
    """
    names = list(roles_of(lab.spec))
    if node is not None and node not in names:
        raise FaultError(f"no node {node!r}", fix=f"nodes: {', '.join(names)}")
    done: list[Healed] = []
    failed: list[LabError] = []
    for name in names if node is None else [node]:
        try:
            one = heal_node(lab, name)
        except LabError as error:
            failed.append(error)
            continue
        if one.started or one.faults:
            done.append(one)
    if node is not None:
        for name in names:
            if name == node:
                continue
            try:
                faults = _aimed_at(lab, name, node)
            except LabError as error:
                failed.append(error)
                continue
            if faults:
                done.append(Healed(name, started=False, faults=faults))
    if failed:
        raise AgentError(
            "; ".join(_say(error) for error in failed),
            fix=f"healed: {_names(done) or 'none'}; look at lvslab logs, then heal again "
            "or replace the node with lvslab up",
        )
    return done


def _aimed_at(lab: Lab, name: str, target: str) -> tuple[str, ...]:
    """Heal what lies in one node and was aimed at another; return what that was."""
    try:
        entries = [e for e in journal(lab, name) if e.get("target") == target]
    except LabError:
        return ()  # one that has ended is not what is to be healed
    for entry in entries:
        _heal_entry(lab, name, entry)
    return tuple(str(e["fault"]) for e in entries)


def heal_node(lab: Lab, name: str) -> Healed:
    """Heal one node. Raises AgentError."""
    started = False
    try:
        entries = journal(lab, name)
    except LabError:
        # Power-off, or ended by someone else. Starting it is what heals; one that does not
        # start says why.
        lab.start_node(name)
        started = True
        entries = journal(lab, name)
    faults = tuple(str(e["fault"]) for e in entries)
    for entry in entries:
        _heal_entry(lab, name, entry)
    return Healed(name, started, faults)


def _heal_entry(lab: Lab, name: str, entry: Mapping[str, Any]) -> None:
    """Heal one fault of a node's journal. Raises AgentError, LabError."""
    healing, prepared = entry.get("heal", ()), bool(entry.get("prepared"))
    fault_id = str(entry["fault_id"])
    heal_part(by_links(lab), lab.beside, name, healing, fault_id, prepared=prepared)


def _names(done: Iterable[Healed]) -> str:
    return ", ".join(one.node for one in done)


def _say(error: LabError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what
