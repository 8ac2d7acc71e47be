"""The files of all directors -> one topology, and what became of every line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from lvslab import yamltext
from lvslab.conf.tree import Node, render
from lvslab.importer.adapt import adapt
from lvslab.importer.adapt_lvs import program_of
from lvslab.importer.adapt_nat import Behind, added
from lvslab.importer.addresses import own_address
from lvslab.importer.behind import first_method
from lvslab.importer.fidelity import entries
from lvslab.importer.model import Imported, ImportProblem, Source
from lvslab.importer.pools import Servers, forwarding, virtual_server
from lvslab.importer.twins import Twins
from lvslab.importer.vrrp import instances
from lvslab.importer.words import FIFOS, MAIL, SCRIPTS, STUB
from lvslab.plan.render import INTERFACE
from lvslab.topology import loads
from lvslab.topology.problems import Problem, TopologyProblems
from lvslab.topology.spec import TopologySpec

#: Of global_defs the topology has a key for this; these others it writes where a check is a script.
_GLOBAL = frozenset({"router_id"})
_SECURITY = frozenset({"script_user", "enable_script_security"})
#: An instance that names one of these has to come after it.
_DEFINITIONS = frozenset(
    {"vrrp_script", "track_file", "vrrp_track_file", "vrrp_track_process", "bfd_instance"}
)
#: The topology says these; every other block is put verbatim at the end of its director's file.
_BLOCKS = frozenset({"global_defs", "vrrp_instance", "virtual_server"})


def import_confs(
    given: Sequence[Source],
    *,
    name: str,
    subnet: IPv4Network | None = None,
    programs: Mapping[str, str] | None = None,
) -> Imported:
    """Return the lab of these directors. Raises ImportProblem.

    ``programs`` are the texts of scripts by their paths: who runs one has it in the lab, too.

    What is under test (VRID, priorities, timers, version, authentication, checks, weights) is
    never rewritten but where the lab could not be otherwise, and then told: a line that the lab
    cannot have is told as such.
    """
    programs = programs or {}
    _asked_for(programs, given)
    twins, network, nat = adapt(given, interface=INTERFACE, subnet=subnet, programs=programs)
    sources = twins.sources
    vrrp = instances(sources, INTERFACE, nat.gateway if nat else None)
    servers = Servers()
    pools: dict[str, dict[str, Any]] = {}
    method = first_method(twins)
    for source in sources:
        for vs in source.config.view.virtual_servers:
            # A topology has one forwarding method: that of the first.
            if method is not None and forwarding(vs) == method:
                pools.setdefault(vs.key, virtual_server(vs, servers))
    real_servers: dict[str, Any] = {n: {"address": str(a)} for a, n in servers.names.items()}
    if not pools:
        twins.added.append(
            "rs1, rs2 and port 80 of each VIP: no virtual_server of the files can be in the lab, "
            "and with these a client sees when a VIP moves"
        )
    addresses = {s.name: _free(s, _own(s, nat), servers, twins) for s in sources}
    inside = {
        s.name: _free(s, nat.own.get(s.name) if nat else None, servers, twins) for s in sources
    }
    document = {
        "name": name,
        "network": {"subnet": str(network)},
        "inside": None if nat is None else _inside(nat),
        "directors": {
            s.name: _director(s, addresses[s.name], inside[s.name], programs) for s in sources
        },
        "real_servers": real_servers,
        "vrrp_instances": vrrp,
        "virtual_servers": list(pools.values()),
        "global_raw": _globals(
            sources[0], written=_SECURITY if _scripts(pools.values()) else frozenset()
        ),
    }
    document = _without_nothing(document)
    # Nothing but a name is enough for each: their addresses are assigned.
    told = document.get("directors", {})
    document["directors"] = {s.name: told.get(s.name, {}) for s in sources}
    if not pools:
        document["real_servers"] = ["rs1", "rs2"]
    spec = _spec(document, given)
    if nat is not None and spec.inside is not None:
        added(twins, nat, spec.inside.gateway)
    return Imported(
        document, spec, tuple(entries(twins, spec, standins=not pools)), tuple(twins.added)
    )


def _own(source: Source, nat: Behind | None) -> IPv4Address | None:
    return own_address(source, nat.inside if nat else None)


def _inside(nat: Behind) -> dict[str, Any]:
    return {
        "subnet": str(nat.inside),
        "gateway": None if nat.gateway is None else str(nat.gateway),
    }


def _free(
    source: Source, address: IPv4Address | None, servers: Servers, twins: Twins
) -> IPv4Address | None:
    """Return a director's own address, unless a real server of the lab has it."""
    if address in servers.names:
        twins.added.append(
            f"{source.name} with another address than {address}, which {servers.names[address]} "
            "has: in the lab a director is no real server"
        )
        return None
    return address


def text_of(document: dict[str, Any], head: str = "") -> str:
    """Return a topology's file."""
    return head + yamltext.dump(document)


def _runs(source: Source) -> set[str]:
    """Return the programs that decide something in a director's configuration."""
    lines = source.config.root.walk()
    return {program_of(n) for n in lines if n.keyword in ("script", "misc_path")}


def _asked_for(programs: Mapping[str, str], sources: Sequence[Source]) -> None:
    run = set().union(*(_runs(s) for s in sources))
    for path in programs:
        if path not in run:
            there = ", ".join(sorted(p for p in run if p.startswith("/")))
            raise ImportProblem(
                f"no vrrp_script and no MISC_CHECK runs {path}",
                where="command line",
                fix=f"there are: {there}" if there else "the files run no script",
            )


def _director(
    source: Source,
    address: IPv4Address | None,
    inside: IPv4Address | None,
    programs: Mapping[str, str],
) -> dict[str, Any]:
    setting = source.config.view.setting("router_id")
    others = [n for n in source.config.root.children if n.keyword not in _BLOCKS]
    first = [n for n in others if n.keyword in _DEFINITIONS]
    others = [n for n in others if n.keyword not in _DEFINITIONS]
    return {
        "address": None if address is None else str(address),
        "inside": None if inside is None else str(inside),
        "router_id": setting.arg() if setting else None,
        "files": {p: programs[p] for p in sorted(_runs(source) & set(programs))},
        "definitions": render(Node([], [_stubbed(n) for n in first])) if first else None,
        "raw": render(Node([], [_stubbed(n) for n in others])) if others else None,
    }


def _stubbed(node: Node) -> Node:
    """Return a block whose scripts are the stub."""
    words = node.words
    if node.keyword in SCRIPTS and len(words) > 1 and node.keyword != "script":
        words = [words[0], type(words[1])(STUB, words[1].at)]
    return Node(words, [_stubbed(c) for c in node.children], node.opened, node.closed)


def _globals(source: Source, written: frozenset[str]) -> str:
    """Return the global_defs that a topology has no key for: one text, for all directors."""
    out = _GLOBAL | MAIL | SCRIPTS | FIFOS | written
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
            where=_place(text_of(document), first, sources),
            fix=first.hint or "lvslab lint says what is wrong with the files themselves",
        ) from error


def _place(text: str, problem: Problem, sources: Sequence[Source]) -> str:
    """Return the line of a file that has the value at fault; the first file where none has."""
    lines = text.splitlines()
    here = lines[problem.line - 1][problem.column - 1 :] if problem.line <= len(lines) else ""
    value = yamltext.scalar(here)
    for source in sources:
        for node in source.config.root.walk():
            # A short one, such as 80, stands in too many lines.
            if len(value) > 3 and value in node.args:
                return str(node.at)
    return sources[0].config.document.name
