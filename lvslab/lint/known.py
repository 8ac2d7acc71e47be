"""Each directive with what the vocabulary says of it."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf import vocabulary
from lvslab.conf.tree import Node as Tree
from lvslab.conf.vocabulary import BLOCK
from lvslab.lint.model import Node


def known(node: Node) -> Iterator[tuple[Tree, str, str | None]]:
    """Yield each directive in a block whose keywords are known: it, the block, its kind."""
    todo = [node.view.root]
    while todo:
        block = todo.pop()
        for child in block.children:
            kind = vocabulary.keywords(block.keyword).get(child.keyword)
            yield child, block.keyword, kind
            if child.is_block and kind == BLOCK and vocabulary.is_known(child.keyword):
                todo.append(child)
