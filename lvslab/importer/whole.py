"""The files of all directors -> one topology, and what became of every line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Any

from lvslab import yamltext
from lvslab.conf import load_text
from lvslab.conf.tree import Node, render
from lvslab.importer.model import Entry, Fate, Imported, ImportProblem, Source
from lvslab.importer.pools import Servers, virtual_server
from lvslab.importer.vrrp import instances
from lvslab.importer.words import MAIL, SCRIPTS, STUB, canonical, path_of
from lvslab.plan.render import INTERFACE, keepalived_conf
from lvslab.topology import loads
from lvslab.topology.problems import TopologyProblems
from lvslab.topology.spec import TopologySpec

#: Of global_defs the topology has a key for this; these others it writes where a check is a script.
_GLOBAL = frozenset({"router_id"})
_SECURITY = frozenset({"script_user", "enable_script_security"})
#: The topology says these; every other block is put verbatim at the end of its director's file.
_BLOCKS = frozenset({"global_defs", "vrrp_instance", "virtual_server"})


def import_confs(
    sources: Sequence[Source], *, name: str, subnet: IPv4Network | None = None
) -> Imported:
    """Return the lab of these directors. Raises ImportProblem.

    What is under test (VRID, priorities, timers, version, authentication, checks, weights) is
    never rewritten: a line that the lab cannot have is told as such.
    """
    vrrp = instances(sources, INTERFACE)
    servers = Servers()
    pools: dict[str, dict[str, Any]] = {}
    for source in sources:
        for vs in source.config.view.virtual_servers:
            made = virtual_server(vs, servers)
            # A topology has one forwarding method: that of the first.
            if made is not None:
                first = next(iter(pools.values()), made)
                if made["forwarding"] == first["forwarding"]:
                    pools.setdefault(vs.key, made)
    if not pools:
        raise ImportProblem(
            "there is no virtual_server of DR or TUN, an IPv4 address and a port in it",
            where=sources[0].config.document.name,
            fix="the network behind the directors of NAT is in no keepalived.conf: write a "
            "topology by hand, from lvs-nat.yaml",
        )
    addresses = {s.name: s.address or _own(s) for s in sources}
    used = [a for a in addresses.values() if a is not None]
    used += [*servers.names, *(IPv4Address(v) for i in vrrp.values() for v in i["vips"])]
    document = {
        "name": name,
        "network": {"subnet": str(subnet or around(used))},
        "directors": {s.name: _director(s, addresses[s.name]) for s in sources},
        "real_servers": {n: {"address": str(a)} for a, n in servers.names.items()},
        "vrrp_instances": vrrp,
        "virtual_servers": list(pools.values()),
        "global_raw": _globals(
            sources[0], written=_SECURITY if _scripts(pools.values()) else frozenset()
        ),
    }
    document = _without_nothing(document)
    spec = _spec(document, sources)
    return Imported(document, spec, tuple(_entries(sources, spec)))


def text_of(document: dict[str, Any], head: str = "") -> str:
    """Return a topology's file."""
    return head + yamltext.dump(document)


def around(addresses: Iterable[IPv4Address]) -> IPv4Network:
    """Return the smallest network, /24 at most, that has room for all of these."""
    found = list(addresses)
    for length in range(24, 7, -1):
        network = IPv4Network((found[0], length), strict=False)
        edges = (network.network_address, network.broadcast_address)
        if all(a in network and a not in edges for a in found):
            return network
    raise ImportProblem(
        "the addresses have no network in common",
        where=", ".join(str(a) for a in found[:4]),
        fix="DR needs one layer-2 segment; say which with --subnet",
    )


def _own(source: Source) -> IPv4Address | None:
    """Return a director's own address, where its file says it: for unicast adverts."""
    for one in source.config.view.instances:
        if one.unicast_src:
            try:
                own = ip_address(one.unicast_src)
            except ValueError:
                continue
            if isinstance(own, IPv4Address):
                return own
    return None


def _director(source: Source, address: IPv4Address | None) -> dict[str, Any]:
    setting = source.config.view.setting("router_id")
    others = [n for n in source.config.root.children if n.keyword not in _BLOCKS]
    return {
        "address": None if address is None else str(address),
        "router_id": setting.arg() if setting else None,
        "raw": render(Node([], [_stubbed(n) for n in others])) if others else None,
    }


def _stubbed(node: Node) -> Node:
    """Return a block whose scripts are the stub."""
    words = node.words
    if node.keyword in SCRIPTS and len(words) > 1:
        words = [words[0], type(words[1])(STUB, words[1].at)]
    return Node(words, [_stubbed(c) for c in node.children], node.opened, node.closed)


def _globals(source: Source, written: frozenset[str]) -> str:
    """Return the global_defs that a topology has no key for: one text, for all directors."""
    out = _GLOBAL | MAIL | SCRIPTS | written
    kept = [c for g in source.config.view.globals for c in g.children if c.keyword not in out]
    return render(Node([], kept)) if kept else ""


def _scripts(pools: Iterable[dict[str, Any]]) -> bool:
    members = (m for vs in pools for m in vs["real_servers"].values())
    return any(m["check"] and m["check"]["type"] == "MISC_CHECK" for m in members)


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        made = {k: _without_nothing(v) for k, v in value.items()}
        # What is as it is when nothing is said: 0 and False are that for every key used here but
        # for a weight, a number of attempts, and preempt.
        told = ("weight", "retry", "preempt")
        return {k: v for k, v in made.items() if v or (k in told and v is not None)}
    if isinstance(value, list):
        return [_without_nothing(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _spec(document: dict[str, Any], sources: Sequence[Source]) -> TopologySpec:
    try:
        return loads(text_of(document), "the imported topology")
    except TopologyProblems as error:
        first = error.problems[0]
        raise ImportProblem(
            f"no lab can be made of it: {first.message}",
            where=sources[0].config.document.name,
            fix=first.hint or "lvslab lint says what is wrong with the files themselves",
        ) from error


def _entries(sources: Sequence[Source], spec: TopologySpec) -> Iterator[Entry]:
    """Yield what became of each line: looked up in what the lab's directors are really given."""
    for source in sources:
        (director,) = (d for d in spec.directors if d.name == source.name)
        made = load_text(keepalived_conf(spec, director, watched=False), source.name)
        none: frozenset[str] = frozenset()
        there = Counter(path_of(n, none, INTERFACE) for n in made.root.walk())
        interfaces = frozenset(i.interface for i in source.config.view.instances if i.interface)
        gone: set[int] = set()
        for node in source.config.root.walk():
            if node.parent is not None and id(node.parent) in gone:
                # It goes where its block goes, and that was said.
                gone.add(id(node))
                continue
            words, changed = canonical(node, interfaces, INTERFACE)
            path = path_of(node, interfaces, INTERFACE)
            text = " ".join(w.value for w in node.words)
            new = " ".join(words)
            if there[path] > 0:
                there[path] -= 1
                yield Entry(source.name, node.at, text, *_kept(node, changed, new))
                continue
            gone.add(id(node))
            if node.keyword in MAIL:
                yield Entry(source.name, node.at, text, Fate.STUBBED, "the lab sends no mail")
            elif node.keyword in SCRIPTS:
                yield Entry(source.name, node.at, text, Fate.STUBBED, "not run in the lab")
            elif (other := _elsewhere(there, path)) is not None:
                yield Entry(
                    source.name, node.at, text, Fate.UNSUPPORTED, f"the lab has: {' '.join(other)}"
                )
            else:
                why = _why(node, spec)
                yield Entry(source.name, node.at, text, Fate.UNSUPPORTED, why)


def _kept(node: Node, changed: bool, new: str) -> tuple[Fate, str]:
    if not changed:
        return Fate.KEPT, ""
    if node.keyword in SCRIPTS:
        return Fate.STUBBED, f"is {STUB} in the lab"
    return Fate.MAPPED, new


def _why(node: Node, spec: TopologySpec) -> str:
    """Return why the lab has nothing of this."""
    if node.keyword.endswith(("_CHECK", "_GET")) and node.is_block:
        return "the lab has no such check: this server is never removed"
    if node.keyword == "virtual_server":
        method = node.last("lb_kind", "lvs_method")
        if method is not None and method.arg().upper() != spec.forwarding:
            return f"the lab has {spec.forwarding} only, not {method.arg()}"
    return "not in the lab"


def _elsewhere(there: Counter[Any], path: Any) -> tuple[str, ...] | None:
    """Return what the lab says for the same keyword in the same place."""
    for other, count in there.items():
        if count > 0 and other[:-1] == path[:-1] and other[-1][:1] == path[-1][:1]:
            words: tuple[str, ...] = other[-1]
            return words
    return None
