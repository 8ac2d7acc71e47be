"""What became of every line: looked up in what the lab's directors are really given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from lvslab.conf import load_text
from lvslab.conf.tree import Node
from lvslab.conf.values import whole
from lvslab.conf.vocabulary import is_known, keywords
from lvslab.importer.model import Entry, Fate
from lvslab.importer.pools import IN_CHECKS, SERVER, forwarding
from lvslab.importer.twins import Twins
from lvslab.importer.vrrp import INSTANCE
from lvslab.importer.words import FIFOS, MAIL, SCRIPTS, STUB, Path, canonical, path_of
from lvslab.plan.render import keepalived_conf
from lvslab.topology.spec import Forwarding, TopologySpec

#: What of a block a topology says; the rest it has from one director.
_SAID = {"vrrp_instance": INSTANCE, "virtual_server": SERVER, "global_defs": {"router_id"}}
#: What of a director's adverts the lab works out for itself.
_STATE = "%s: the lab works it out of the priorities; it matters at the start only"
_OWN = "the lab sends adverts from the address that its director has there"
_ALONE = "a director alone has no peer: give the others' files, too, with --node"
_NOPREEMPT = (
    "keepalived drops it where state is MASTER, and it matters with the highest priority only"
)


def entries(twins: Twins, spec: TopologySpec, *, standins: bool) -> Iterator[Entry]:
    """Yield what became of each line of each file, in order.

    ``standins``: the virtual servers of the lab are none of the files.
    """
    method = None if standins else spec.forwarding
    if standins:
        spec = replace(spec, virtual_servers=())
    for source in twins.given:
        (director,) = (d for d in spec.directors if d.name == source.name)
        made = load_text(keepalived_conf(spec, director, watched=False), source.name)
        there = Counter(path_of(n) for n in made.root.walk())
        servers = {path_of(n) for n in made.root.all("virtual_server")}
        gone: set[int] = set()
        for node in source.config.root.walk():
            if node.parent is not None and id(node.parent) in gone:
                # It goes where its block goes, and that was said.
                gone.add(id(node))
                continue
            fate, note, is_there = _fate(node, twins, there, method)
            if fate is Fate.MAPPED and (lines := twins.made_of(node)) is not None:
                fate, note = _as_made(lines, servers, note)
            if not is_there and (fate is not Fate.MAPPED or twins.is_told_whole(node)):
                gone.add(id(node))
            text = " ".join(w.value for w in node.words)
            yield Entry(source.name, node.at, text, fate, note)


def _fate(
    node: Node, twins: Twins, there: Counter[Path], method: Forwarding | None
) -> tuple[Fate, str, bool]:
    """Return what became of a line, and whether the lab has it, or the block that it opens."""
    told, twin = twins.told(node), twins.twin(node)
    if twin is None:
        return (*(told or (Fate.UNSUPPORTED, "not in the lab")), False)
    path = path_of(twin)
    if there[path] > 0:
        there[path] -= 1
        if told is None:
            return (*_kept(twin), True)
        return told[0], told[1] or " ".join(canonical(twin)[0]), True
    if twin.keyword == "virtual_server":
        return Fate.UNSUPPORTED, _why_server(node, twin, twins, method), False
    fate, note = _absent(twin, there, path)
    if fate is Fate.UNSUPPORTED and _others(twin, twins):
        note = f"the lab has one text of this for all directors, that of {twins.given[0].name}"
    return fate, note, False


def _others(twin: Node, twins: Twins) -> bool:
    """Return whether a line is of a text that is put verbatim, and the first director's is."""
    of = twin.parent
    known = _SAID.get(of.keyword) if of else None
    if of is None or known is None or twin.keyword in known:
        return False
    blocks = twins.sources[0].config.root.all(of.keyword)
    return all(of is not b for b in blocks) and any(b.args == of.args for b in blocks)


def _as_made(lines: Sequence[Node], servers: Set[Path], note: str) -> tuple[Fate, str]:
    """Return what became of a line that is in the lab as these, if they are there."""
    if not lines:
        return Fate.MAPPED, "no virtual_server uses it, in the lab as well"
    if any(path_of(line) in servers for line in lines):
        return Fate.MAPPED, note
    return Fate.UNSUPPORTED, "the virtual_server that uses it is not in the lab"


def _kept(twin: Node) -> tuple[Fate, str]:
    words, changed = canonical(twin)
    if not changed:
        return Fate.KEPT, _ignored(twin)
    if twin.keyword in SCRIPTS:
        return Fate.STUBBED, f"is {STUB} in the lab"
    return Fate.MAPPED, " ".join(words)


def _ignored(twin: Node) -> str:
    """Return a note where keepalived reads past a line, as it does in the lab."""
    block = twin.parent.keyword if twin.parent else ""
    if not is_known(block) or twin.keyword in keywords(block):
        return ""
    return "keepalived knows no such keyword here and reads past it, in the lab as well"


def _absent(twin: Node, there: Counter[Path], path: Path) -> tuple[Fate, str]:
    block = twin.parent.keyword if twin.parent else ""
    if twin.keyword in MAIL:
        return Fate.STUBBED, "the lab sends no mail"
    if twin.keyword in SCRIPTS:
        return Fate.STUBBED, "not run in the lab"
    if twin.keyword in FIFOS:
        return Fate.STUBBED, "the lab's directors have FIFOs of their own, which its agent reads"
    other = _elsewhere(there, path)
    if block == "virtual_server" and twin.keyword in IN_CHECKS:
        return Fate.MAPPED, "in each check that has none of its own"
    if block == "vrrp_instance":
        if twin.keyword == "state" and other is not None:
            return Fate.MAPPED, _STATE % " ".join(other)
        if twin.keyword in ("unicast_src_ip", "mcast_src_ip"):
            return Fate.MAPPED, _OWN
        if twin.keyword == "unicast_peer":
            return Fate.UNSUPPORTED, _ALONE
        if twin.keyword in ("nopreempt", "preempt_delay") and other is None:
            return Fate.MAPPED, _NOPREEMPT
    if block == "unicast_peer":
        return Fate.MAPPED, "the addresses that the other directors have in the lab"
    if other is not None and not (twin.is_block and twin.args):
        return Fate.UNSUPPORTED, f"the lab has: {' '.join(other)}"
    return Fate.UNSUPPORTED, _why(twin)


def _why(twin: Node) -> str:
    """Return why the lab has nothing of this."""
    if twin.keyword in ("real_server", "virtual_server_group"):
        return "the lab has the first of them only: write it once"
    return "the lab has no key for it"


def _why_server(node: Node, twin: Node, twins: Twins, first: Forwarding | None) -> str:
    """Return why the lab, which forwards as the ``first`` does, has none of a virtual server."""
    if twin.arg() == "fwmark":
        return "the lab has no firewall marks: import it with the VIP and the port that are marked"
    if twin.arg() == "group":
        return "its group has no IPv4 address with a port"
    if not whole(twin.arg(1)):
        # No port, or 0, is all of them for IPVS, with persistence.
        return "a lab serves at a port: import it with one of those that are served"
    if not twin.all("real_server"):
        return "no real server of it can be in the lab"
    views = (v for s in twins.sources for v in s.config.view.virtual_servers)
    own = next((forwarding(v) for v in views if v.node is twin), None)
    if own is None:
        return "its real servers are reached in more than one way, those of a lab are in one"
    if own == first or first is None:
        return "the lab has this service already"
    why = f"it forwards by {own}, and a lab in one way, here that of the first: {first}"
    line = twin.last("lb_kind", "lvs_method")
    told = twins.told(node) if line is None else twins.told_of(line)
    return f"{told[1]}; {why}" if told and told[1] else f"{why}; import it by itself"


def _elsewhere(there: Counter[Path], path: Path) -> tuple[str, ...] | None:
    """Return what the lab says for the same keyword in the same place."""
    for other, count in there.items():
        if count > 0 and other[:-1] == path[:-1] and other[-1][:1] == path[-1][:1]:
            return other[-1]
    return None
