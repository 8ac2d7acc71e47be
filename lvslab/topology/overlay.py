"""A topology with some of it said differently, as a scenario's ``with:`` does.

What is said is laid over the file's own words before anything is validated, so both are held
to the same rules, and a mistake is told at its place in whichever file made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lvslab.topology.problems import Problem
from lvslab.topology.yamltree import Document, Node, Path


@dataclass(frozen=True, slots=True)
class Overlaid(Document):
    """A document of which a part comes from another file."""

    over: Document

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """Return a problem at a path, in the file that says more of it."""
        if _reach(self.over.root, path) >= max(1, _reach(self.root, path)):
            # An item of a list that one mapping was laid over is at that mapping.
            spelled = path if _in_list(self.over.root, path) else _without_items(path)
            return self.over.problem(spelled, message, hint, key=key)
        # super() of a class with slots and dataclass(): the decorator made a new class.
        return Document.problem(self, path, message, hint, key=key)


def lay_over(base: Document, over: Document) -> Overlaid:
    """Return ``base`` with ``over`` laid over it.

    A mapping is laid over a mapping key by key; over a list of mappings, over each of them; over
    a list of names, over what it stands for. Anything else replaces what was there.
    """
    return Overlaid(base.file, base.root, over)


def plain(document: Overlaid) -> Any:
    """Return the merged value, without positions."""
    return _merged(document.root.plain(), document.over.root.plain())


def _merged(base: Any, over: Any) -> Any:
    if not isinstance(over, dict):
        return over
    if isinstance(base, list) and base and all(isinstance(item, str) for item in base):
        base = dict.fromkeys(base)
    if isinstance(base, list) and base:
        return [_merged(item, over) for item in base]
    if not isinstance(base, dict):
        return over
    return base | {key: _merged(base.get(key), value) for key, value in over.items()}


def _reach(node: Node, path: Path) -> int:
    """Return how many steps of a path are spelled out."""
    steps = 0
    for step in path:
        child = _child(node, step)
        if child is None:
            break
        node, steps = child, steps + 1
    return steps


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node.value, dict):
        return node if isinstance(step, int) else node.value.get(step)
    if isinstance(node.value, list):
        if isinstance(step, int):
            return node.value[step] if step < len(node.value) else None
        return next((item for item in node.value if item.value == step), None)
    return None


def _in_list(node: Node, path: Path) -> bool:
    for step in path:
        if isinstance(step, int) and isinstance(node.value, dict):
            return False
        child = _child(node, step)
        if child is None:
            return True
        node = child
    return True


def _without_items(path: Path) -> Path:
    return tuple(step for step in path if not isinstance(step, int))
