"""LVS220 to LVS239: what directors balance. After a failover it should be the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lvslab.conf.models import VirtualServer
from lvslab.lint.model import Hit, Node, Setting
from lvslab.lint.pairs import servers
from lvslab.lint.registry import ERROR, WARNING, across

_Found = Iterator[tuple[Node, Hit]]


@across(
    "LVS220",
    ERROR,
    "A virtual server that a director lacks",
    why="After a failover to that director the service is not there: connections are refused.",
    fix="Write the same virtual_server on all of them.",
    source="keepalived.conf(5), 'Virtual server(s)': each director has its own table",
)
def virtual_server_missing(setting: Setting) -> _Found:
    """Of any director, against each other."""
    for node in setting.nodes:
        for other in setting.nodes:
            if other is node or (not other.view.instances and not other.view.virtual_servers):
                continue
            keys = {vs.key for vs in other.view.virtual_servers}
            told: set[str] = set()
            for vs in node.view.virtual_servers:
                if vs.key not in keys and vs.key not in told:
                    told.add(vs.key)
                    yield node, Hit(vs.node.at, f"{other.name} has no virtual_server {vs.key}")


@across(
    "LVS221",
    ERROR,
    "Real servers that differ",
    why="After a failover another set of servers serves: one too few, or one that is out of use.",
    fix="Write the same real servers on all directors.",
    source="keepalived.conf(5), 'Virtual server(s)': each director has its own table",
)
def real_servers_differ(setting: Setting) -> _Found:
    """All blocks of one service together."""
    for first, its, node, mine in servers(setting):
        lacks = sorted(_members(first, its.key) - _members(node, mine.key))
        more = sorted(_members(node, mine.key) - _members(first, its.key))
        if lacks:
            said = f"{mine.key}: {', '.join(lacks)} is on {first.name} only"
            yield node, Hit(mine.node.at, said)
        if more:
            said = f"{mine.key}: {', '.join(more)} is not on {first.name}"
            yield node, Hit(mine.node.at, said)


def _members(node: Node, key: str) -> set[str]:
    return {r.key for vs in node.view.virtual_servers if vs.key == key for r in vs.real_servers}


@across(
    "LVS222",
    WARNING,
    "Weights that differ",
    why="After a failover the load is shared in another way.",
    fix="Write the same weights on all directors.",
    source="ipvsadm(8), '--weight'",
)
def weights_differ(setting: Setting) -> _Found:
    """Of real servers that both have."""
    for first, its, node, mine in servers(setting):
        weights = {r.key: r.weight for r in its.real_servers}
        for rs in mine.real_servers:
            other = weights.get(rs.key, rs.weight)
            if rs.weight != other:
                said = f"{rs.key}: weight {rs.weight} here, {other} on {first.name}"
                yield node, Hit(rs.at("weight"), said, f"weight {other}")


def _compare(
    setting: Setting, what: str, value: Callable[[VirtualServer], object], *keywords: str
) -> _Found:
    for first, its, node, mine in servers(setting):
        if value(mine) != value(its):
            said = f"{mine.key}: {what} {value(mine)} here, {value(its)} on {first.name}"
            yield node, Hit(mine.at(*keywords), said)


@across(
    "LVS223",
    WARNING,
    "Schedulers that differ",
    why="After a failover the load is shared in another way.",
    fix="Write the same lb_algo on all directors.",
    source="ipvsadm(8), '--scheduler'",
)
def schedulers_differ(setting: Setting) -> _Found:
    """Of one service."""
    yield from _compare(setting, "scheduler", lambda v: v.scheduler, "lb_algo", "lvs_sched")


@across(
    "LVS224",
    ERROR,
    "Forwarding methods that differ",
    why="Real servers are set up for one of them. After a failover to the other connections hang.",
    fix="Write the same lb_kind on all directors.",
    source="ipvsadm(8), 'packet-forwarding-method'",
)
def methods_differ(setting: Setting) -> _Found:
    """Of one service."""
    yield from _compare(setting, "forwarding", lambda v: v.method, "lb_kind", "lvs_method")


@across(
    "LVS225",
    WARNING,
    "Persistence that differs",
    why="After a failover clients keep their real server longer, shorter, or not at all.",
    fix="Write the same persistence_timeout on all directors.",
    source="ipvsadm(8), '--persistent'",
)
def persistence_differs(setting: Setting) -> _Found:
    """Of one service."""
    yield from _compare(
        setting, "persistence", lambda v: v.persistence_timeout or "none", "persistence_timeout"
    )


@across(
    "LVS226",
    WARNING,
    "Checks that differ",
    why="One director finds a server down that the other finds up: after a failover others serve.",
    fix="Write the same checks on all directors.",
    source="keepalived.conf(5), 'healthcheckers'",
)
def checks_differ(setting: Setting) -> _Found:
    """Kinds and ports, of real servers that both have."""
    for first, its, node, mine in servers(setting):
        known = {r.key: [(c.kind, c.connect_port) for c in r.checks] for r in its.real_servers}
        for rs in mine.real_servers:
            own = [(c.kind, c.connect_port) for c in rs.checks]
            other = known.get(rs.key, own)
            if own != other:
                kinds = " and ".join(k for k, _ in other) or "none"
                said = f"{rs.key}: its check is not that of {first.name} ({kinds})"
                yield node, Hit(rs.node.at, said)


@across(
    "LVS227",
    WARNING,
    "Quorums or sorry servers that differ",
    why="After a failover the service gives up earlier or later, or points elsewhere when it does.",
    fix="Write the same quorum and sorry_server on all directors.",
    source="keepalived.conf(5), 'quorum', 'sorry_server'",
)
def quorum_differs(setting: Setting) -> _Found:
    """Of one service."""
    yield from _compare(setting, "quorum", lambda v: v.quorum, "quorum")
    yield from _compare(setting, "sorry_server", lambda v: v.sorry or "none", "sorry_server")
