"""What a file says and keepalived does not heed: left out of the lab, and told as that."""

from __future__ import annotations

from lvslab.conf.tree import Node
from lvslab.conf.view import first_of_each
from lvslab.importer.model import Fate
from lvslab.importer.twins import Twins


def unheeded(twins: Twins) -> None:
    """Leave out what has no effect: then what is left means the same wherever it is looked up."""
    for source in twins.sources:
        _second_blocks(twins, source.config.root)


def _second_blocks(twins: Twins, root: Node) -> None:
    """Leave out the second block of a name, and have one global_defs of all."""
    for keyword in ("vrrp_instance", "vrrp_sync_group"):
        first = first_of_each(root, keyword)
        for node in root.all(keyword):
            if not any(node is one for one in first):
                note = "its name is there already: keepalived ignores this, and so does the lab"
                twins.drop_block(node, Fate.MAPPED, note)
    blocks = root.all("global_defs")
    for block in blocks[1:]:
        for child in block.children:
            child.parent = blocks[0]
            blocks[0].children.append(child)
        twins.drop(block, Fate.MAPPED, "its lines are in the lab's one global_defs")
