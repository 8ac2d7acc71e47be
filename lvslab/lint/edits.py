"""The edits of safe fixes, and making them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from lvslab.conf.errors import Position
from lvslab.conf.lexer import Document, Edit
from lvslab.conf.tree import Node as Tree
from lvslab.lint.model import Finding, Node


def drop(node: Node, directive: Tree) -> tuple[Edit, ...]:
    """Return the edit that removes a directive; none unless it has its line for itself."""
    at = directive.at
    if not at.end or directive.is_block or at.file not in node.config.files:
        return ()
    line = node.config.source(at)
    alone = not line[: at.column - 1].strip() and not any(c in line for c in "{}")
    return (Edit(at.line, drop=True),) if alone else ()


def replaced(node: Node, at: Position, new: str) -> tuple[Edit, ...]:
    """Return the edit that replaces a word; none where its place is not known exactly."""
    if not at.end or at.file not in node.config.files:
        return ()
    return (Edit(at.line, at.column, at.end, new),)


def fixed(documents: Iterable[Document], findings: Iterable[Finding]) -> list[Document]:
    """Return the documents that the safe fixes of findings change, changed."""
    by_file: dict[str, list[Edit]] = {}
    for finding in findings:
        by_file.setdefault(finding.at.file, []).extend(finding.hit.edits)
    out = []
    for document in documents:
        new = document.edited(by_file.get(document.name, ()))
        if new.text != document.text:
            out.append(new)
    return out


def difference(old: Document, new: Document) -> str:
    """Return the unified diff of two versions."""
    return "".join(
        difflib.unified_diff(
            [*old.lines], [*new.lines], f"{old.name}", f"{old.name} (fixed)", lineterm="\n"
        )
    )
