"""What a file says and keepalived does not heed: left out of the lab, and told as that."""

from __future__ import annotations

from lvslab.conf.tree import Node
from lvslab.conf.view import first_of_each
from lvslab.conf.vocabulary import is_known, keywords
from lvslab.importer.model import Fate, ImportProblem
from lvslab.importer.twins import Twins
from lvslab.importer.words import MAIL, SCRIPTS
from lvslab.topology.values import control

_PAST = "keepalived knows no such keyword and reads past it; so does the lab"


def unheeded(twins: Twins) -> None:
    """Leave out what has no effect: then what is left means the same wherever it is looked up."""
    for source in twins.sources:
        _second_blocks(twins, source.config.root)


def unwritable(twins: Twins) -> None:
    """Leave out lines that no file of the lab can hold, if keepalived reads past them.

    Raises ImportProblem for any other.
    """
    for source in twins.sources:
        gone: set[int] = set()
        for node in list(source.config.root.walk()):
            if id(node.parent) in gone:
                gone.add(id(node))
                continue
            char = next((c for w in node.words if (c := control(w.value))), "")
            if not char or {node.keyword, *node.path()} & (MAIL | SCRIPTS):
                continue
            past = _read_past(node)
            if past is None:
                raise ImportProblem(
                    f"a word of this line holds U+{ord(char):04X}, a control character or no UTF-8",
                    where=str(node.at),
                    fix="write the line anew",
                )
            twins.drop_block(past, Fate.MAPPED, _PAST)
            gone |= {id(past), id(node)}


def _read_past(node: Node) -> Node | None:
    """Return what keepalived reads past, with the line in it: the outermost unknown block."""
    found, here = None, node
    while here.parent is not None:
        block = here.parent.keyword
        if is_known(block) and here.keyword not in keywords(block):
            found = here
        here = here.parent
    return found


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
