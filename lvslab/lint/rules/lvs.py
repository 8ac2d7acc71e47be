"""LVS080 to LVS099: virtual servers and real servers."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf.models import VirtualServer
from lvslab.lint.edits import replaced
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import did_you_mean, shown

SCHEDULERS = frozenset(
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "sed", "nq", "fo", "ovf", "twos"]
)


@rule(
    "LVS080",
    ERROR,
    "lvs",
    "One virtual server written twice",
    why="IPVS shows one service with the real servers of both, so it looks right. But each block "
    "has its own quorum and sorry server, and removing or reloading one deletes the service of "
    "both. keepalived -t says nothing.",
    fix="Move all real servers into one block.",
    source="check_data.c and ipwrapper.c of keepalived; -t of 2.2.7 is silent",
)
def virtual_server_twice(node: Node) -> Iterator[Hit]:
    """Address, port and protocol; or mark; or group."""
    seen: dict[str, VirtualServer] = {}
    for vs in node.view.virtual_servers:
        if vs.key in seen:
            line = seen[vs.key].node.at.line
            said = f"virtual_server {vs.key} is already there (line {line})"
            yield Hit(vs.node.at, said, "its real servers into the first block")
        seen.setdefault(vs.key, vs)


@rule(
    "LVS081",
    ERROR,
    "lvs",
    "A virtual server without protocol",
    why="keepalived takes UDP, with a line of text in its log: TCP connections to the VIP are "
    "refused.",
    fix="Write protocol TCP.",
    source="seen with keepalived 2.2.7: 'no protocol set - defaulting to UDP'",
    good="protocol TCP",
)
def no_protocol(node: Node) -> Iterator[Hit]:
    """Not for a firewall mark, which has none."""
    for vs in node.view.virtual_servers:
        if vs.of == "address" and not vs.has("protocol"):
            yield Hit(vs.node.at, f"virtual_server {vs.target} is UDP", "protocol TCP")


@rule(
    "LVS082",
    WARNING,
    "lvs",
    "A virtual server without lb_kind",
    why="keepalived takes NAT, with a line in its log. With real servers set up for direct routing "
    "every connection hangs.",
    fix="Write lb_kind DR, NAT or TUN.",
    source="seen with keepalived 2.2.7: 'no forwarding method set, setting default NAT'",
    good="lb_kind DR",
)
def no_lb_kind(node: Node) -> Iterator[Hit]:
    """Neither for it, nor for each of its real servers."""
    for vs in node.view.virtual_servers:
        own = vs.real_servers and all(r.has("lvs_method") for r in vs.real_servers)
        if not vs.has("lb_kind") and not vs.has("lvs_method") and not own:
            yield Hit(vs.node.at, f"virtual_server {vs.target} forwards by NAT", "lb_kind DR")


@rule(
    "LVS083",
    ERROR,
    "lvs",
    "A scheduler that is none",
    why="keepalived ignores it and takes wlc.",
    fix="Write one of " + ", ".join(sorted(SCHEDULERS)) + ".",
    source="seen with keepalived 2.2.7: 'Invalid lvs_scheduler - ignoring'",
    bad="lb_algo roundrobin",
)
def unknown_scheduler(node: Node) -> Iterator[Hit]:
    """Against the kernel's."""
    for vs in node.view.virtual_servers:
        if vs.scheduler not in SCHEDULERS:
            at = vs.at("lb_algo", "lvs_sched")
            lower = vs.scheduler.lower()
            edits = replaced(node, at, lower) if lower in SCHEDULERS else ()
            hint = lower if edits else did_you_mean(vs.scheduler, SCHEDULERS)
            yield Hit(at, f"{shown(vs.scheduler)} is no scheduler: it becomes wlc", hint, edits)


@rule(
    "LVS084",
    ERROR,
    "lvs",
    "Ports that differ under direct routing",
    why="DR and TUN change no header, so the packet arrives at the port that the client asked for. "
    "keepalived therefore says 'ports don't match - resetting' and checks the virtual server's "
    "port: if nothing listens there, the real server is always down.",
    fix="Write the virtual server's port, or use NAT.",
    source="seen with keepalived 2.2.7; ip_vs_dr_xmit() in the kernel's ip_vs_xmit.c",
    bad="virtual_server 172.20.1.100 80 {\n    lb_kind DR\n    real_server 172.20.1.10 8080 {\n"
    "    }\n}",
)
def ports_differ(node: Node) -> Iterator[Hit]:
    """Real server and sorry server."""
    for vs in node.view.virtual_servers:
        if not vs.port:
            continue
        for rs in vs.real_servers:
            if rs.method in ("DR", "TUN") and rs.port is not None and rs.port != vs.port:
                said = f"the client asks port {vs.port}; under {rs.method} it stays that"
                yield Hit(rs.node.arg_at(1), said, str(vs.port))
        if vs.sorry and vs.method in ("DR", "TUN") and vs.sorry[1] not in (None, vs.port):
            line = vs.node.last("sorry_server")
            if line is not None:
                yield Hit(line.arg_at(1), f"the client asks port {vs.port}", str(vs.port))


@rule(
    "LVS085",
    ERROR,
    "lvs",
    "A virtual server whose address no instance holds",
    why="keepalived makes the IPVS service, and no director ever has the address: nobody can reach "
    "it. keepalived -t is silent.",
    fix="Add the address to virtual_ipaddress of an instance.",
    source="seen with keepalived 2.2.7: -t is silent",
)
def vip_not_held(node: Node) -> Iterator[Hit]:
    """Only where the file has instances at all: else the address is somebody else's matter."""
    if not node.view.instances:
        return
    held = {v.ip for i in node.view.instances for v in i.vips}
    static = {
        child.keyword.split("/")[0]
        for block in node.view.root.all("static_ipaddress")
        for child in block.children
    }
    groups = {g.name: g for g in node.view.groups}
    for vs in node.view.virtual_servers:
        if vs.of == "address" and vs.target not in held | static:
            yield Hit(vs.node.arg_at(), f"no vrrp_instance has the VIP {vs.target}")
        elif vs.of == "group" and vs.target in groups:
            for address in groups[vs.target].addresses:
                # A range is not looked into.
                if "-" not in address and address not in held | static:
                    yield Hit(groups[vs.target].where, f"no vrrp_instance has the VIP {address}")


@rule(
    "LVS086",
    WARNING,
    "lvs",
    "A quorum that cannot be reached",
    why="The quorum is a sum of weights. keepalived reduces it to that sum: then the loss of any "
    "one real server is loss of quorum, and the sorry server takes all.",
    fix="Write a quorum not above the sum of the weights.",
    source="seen with keepalived 2.2.7: 'exceeds total weight of real servers, reducing quorum'",
    bad="quorum 3",
)
def quorum_too_high(node: Node) -> Iterator[Hit]:
    """Above the sum."""
    for vs in node.view.virtual_servers:
        total = sum(r.weight for r in vs.real_servers)
        if total and vs.quorum > total:
            yield Hit(vs.at("quorum"), f"quorum {vs.quorum} is above all weights ({total})")


@rule(
    "LVS087",
    INFO,
    "lvs",
    "Persistence with a scheduler that shares evenly",
    why="A client keeps its real server for persistence_timeout seconds, so rr and wrr distribute "
    "clients, not requests: one large client or a proxy is all the load of one server.",
    fix="Use wlc, or leave persistence out if sessions do not need it.",
    source="ipvsadm(8), '--persistent'",
    bad="lb_algo rr\npersistence_timeout 50",
)
def persistence_with_rr(node: Node) -> Iterator[Hit]:
    """A timeout that counts."""
    for vs in node.view.virtual_servers:
        if vs.persistence_timeout and vs.scheduler in ("rr", "wrr"):
            said = f"with persistence {vs.scheduler} distributes clients, not requests"
            yield Hit(vs.at("persistence_timeout"), said, "lb_algo wlc")


@rule(
    "LVS088",
    ERROR,
    "lvs",
    "A virtual server without real servers",
    why="keepalived removes it, or makes a service that refuses every client.",
    fix="Write real_server ADDRESS PORT { ... }.",
    source="check_check_script_security() and check_data.c of keepalived",
)
def no_real_server(node: Node) -> Iterator[Hit]:
    """None."""
    for vs in node.view.virtual_servers:
        if not vs.real_servers:
            yield Hit(vs.node.at, f"virtual_server {vs.key} has no real_server")
