"""LVS089 to LVS099, LVS116, LVS117: real servers, groups and options of virtual servers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from lvslab.conf.lexer import Edit
from lvslab.conf.tree import Node as Tree
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import did_you_mean, shown

#: ``virtual_server ADDRESS PORT``.
_HEAD = 3


@rule(
    "LVS089",
    ERROR,
    "lvs",
    "One real server twice in a virtual server",
    why="keepalived removes the second, with its weight and its check.",
    fix="Keep one; to give it more requests, raise its weight.",
    source="seen with keepalived 2.2.7: 'is duplicated - removing second rs'",
)
def real_server_twice(node: Node) -> Iterator[Hit]:
    """Address and port."""
    for vs in node.view.virtual_servers:
        seen: dict[str, int] = {}
        for rs in vs.real_servers:
            if rs.key in seen:
                said = f"real_server {rs.key} is already there (line {seen[rs.key]})"
                yield Hit(rs.node.at, said)
            seen.setdefault(rs.key, rs.node.at.line)


@rule(
    "LVS079",
    INFO,
    "lvs",
    "Ports or a protocol with a firewall mark",
    why="The mark chooses the packets, of any protocol and port. keepalived ignores the protocol "
    "and clears the real servers' ports, also for their checks.",
    fix="Leave protocol and the ports out, and write connect_port in the checks.",
    source="seen with keepalived 2.2.7: 'protocol specified for fwmark - protocol will be "
    "ignored', 'has port specified - clearing'",
    bad="virtual_server fwmark 7 {\n    protocol TCP\n}",
)
def fwmark_port(node: Node) -> Iterator[Hit]:
    """The protocol, and each port."""
    for vs in node.view.virtual_servers:
        if vs.of != "fwmark":
            continue
        if vs.has("protocol"):
            yield Hit(vs.at("protocol"), "a firewall mark has no protocol")
        for rs in vs.real_servers:
            if rs.port:
                yield Hit(rs.node.arg_at(1), f"port {rs.port} is cleared")


@rule(
    "LVS090",
    WARNING,
    "lvs",
    "A quorum lost to hysteresis",
    why="Quorum is gained at quorum + hysteresis and lost below quorum - hysteresis. With "
    "hysteresis not below the quorum it is never lost; keepalived then takes another value.",
    fix="Write a hysteresis below the quorum.",
    source="seen with keepalived 2.2.7: 'hysteresis 7 >= quorum 1; setting hysteresis to 0'",
    bad="quorum 2\nhysteresis 2",
)
def hysteresis_too_high(node: Node) -> Iterator[Hit]:
    """Not below the quorum."""
    for vs in node.view.virtual_servers:
        if vs.hysteresis and vs.hysteresis >= vs.quorum:
            said = f"hysteresis {vs.hysteresis} is not below quorum {vs.quorum}"
            yield Hit(vs.at("hysteresis"), said, f"{vs.quorum - 1} or less")


@rule(
    "LVS091",
    ERROR,
    "lvs",
    "A virtual server of a group that is not defined",
    why="keepalived removes the virtual server.",
    fix="Write virtual_server_group NAME { ... }, or correct the name.",
    source="check_data.c of keepalived",
)
def unknown_group(node: Node) -> Iterator[Hit]:
    """Names against groups."""
    names = {g.name for g in node.view.groups}
    for vs in node.view.virtual_servers:
        if vs.of == "group" and vs.target not in names:
            said = f"no virtual_server_group is called {shown(vs.target)}"
            yield Hit(vs.node.arg_at(1), said, did_you_mean(vs.target, names))


@rule(
    "LVS092",
    ERROR,
    "lvs",
    "A real server of the other address family",
    why="DR and NAT cannot turn IPv4 into IPv6. Only a tunnel can carry one in the other.",
    fix="Use addresses of one family.",
    source="keepalived.conf(5), 'Virtual server(s)': mixed families need tunnels; ip_vs_ctl.c",
)
def families_differ(node: Node) -> Iterator[Hit]:
    """Against the virtual server's."""
    for vs in node.view.virtual_servers:
        for rs in vs.real_servers:
            if vs.of != "address" or rs.method == "TUN":
                continue
            mine, its = _version(vs.target), _version(rs.address)
            if mine and its and mine != its:
                said = f"{rs.address} is IPv{its}, the virtual server IPv{mine}"
                yield Hit(rs.node.arg_at(), said)


def _version(text: str) -> int:
    try:
        return ip_address(text).version
    except ValueError:
        return 0


@rule(
    "LVS093",
    ERROR,
    "lvs",
    "A real server that is the VIP",
    why="The director would forward to itself: a loop, or its own answer.",
    fix="Write the real server's own address.",
    source="ip_vs_xmit.c of the kernel: local destinations",
)
def real_server_is_vip(node: Node) -> Iterator[Hit]:
    """The same address."""
    for vs in node.view.virtual_servers:
        for rs in vs.real_servers:
            if vs.of == "address" and rs.address == vs.target:
                yield Hit(rs.node.arg_at(), f"{rs.address} is the virtual server's own address")


@rule(
    "LVS094",
    WARNING,
    "lvs",
    "Only weights of 0",
    why="Weight 0 gets no new connections: every client is refused.",
    fix="Give one of them a weight.",
    source="ipvsadm(8), '--weight'",
)
def no_weight(node: Node) -> Iterator[Hit]:
    """All of them."""
    for vs in node.view.virtual_servers:
        if vs.real_servers and not any(r.weight for r in vs.real_servers):
            yield Hit(vs.node.at, f"every real server of {vs.key} has weight 0")


@rule(
    "LVS095",
    WARNING,
    "lvs",
    "persistence_granularity without persistence",
    why="The mask has nothing to apply to; the clients are not kept together.",
    fix="Write persistence_timeout, too.",
    source="keepalived.conf(5), 'persistence_granularity'",
    bad="persistence_granularity 255.255.255.0",
)
def granularity_alone(node: Node) -> Iterator[Hit]:
    """Without a timeout."""
    for vs in node.view.virtual_servers:
        if vs.has("persistence_granularity") and vs.persistence_timeout is None:
            at = vs.at("persistence_granularity")
            yield Hit(at, "there is no persistence_timeout", "persistence_timeout 50")


@rule(
    "LVS096",
    ERROR,
    "lvs",
    "One-packet scheduling of TCP",
    why="Each packet would go to another real server. keepalived and IPVS take it for UDP only.",
    fix="Remove ops.",
    source="keepalived.conf(5), 'ops'; ipvsadm(8), '--ops'",
    bad="protocol TCP\nops",
)
def ops_tcp(node: Node) -> Iterator[Hit]:
    """Not UDP."""
    for vs in node.view.virtual_servers:
        line = vs.node.last("ops")
        if line is not None and vs.of == "address" and vs.protocol != "UDP":
            yield Hit(line.at, f"ops with {vs.protocol}")


@rule(
    "LVS097",
    ERROR,
    "lvs",
    "A protocol that is none",
    why="keepalived knows TCP, UDP and SCTP; for anything else it keeps none and takes UDP.",
    fix="Write protocol TCP, UDP or SCTP.",
    source="proto_handler() in keepalived's check_parser.c",
    bad="protocol HTTP",
)
def unknown_protocol(node: Node) -> Iterator[Hit]:
    """In any case of letters: keepalived does not mind."""
    for vs in node.view.virtual_servers:
        line = vs.node.last("protocol")
        if line is not None and line.args and line.arg().upper() not in ("TCP", "UDP", "SCTP"):
            yield Hit(line.arg_at(), f"{shown(line.arg())} is no protocol", "TCP")


@rule(
    "LVS098",
    WARNING,
    "lvs",
    "A sync daemon of an instance that is not there",
    why="The IPVS sync daemon would follow the state of an instance that does not exist.",
    fix="Name an instance of this file.",
    source="keepalived.conf(5), 'lvs_sync_daemon'",
)
def sync_daemon_unknown(node: Node) -> Iterator[Hit]:
    """The second word, or the one after inst."""
    line = node.view.setting("lvs_sync_daemon")
    if line is None:
        return
    names = {i.name for i in node.view.instances}
    args = line.args
    index = args.index("inst") + 1 if "inst" in args else 1
    options = ("id", "maxlen", "port", "ttl", "group")
    if len(args) > index and args[index] not in names and args[index] not in options:
        yield Hit(line.arg_at(index), f"no vrrp_instance is called {shown(args[index])}")


@rule(
    "LVS099",
    ERROR,
    "lvs",
    "A real server's address that is none",
    why="keepalived says 'not a valid address' and leaves the real server out.",
    fix="Write real_server ADDRESS PORT; names are not looked up.",
    source="rs_handler() in keepalived's check_parser.c",
    bad="real_server web1 80 {\n}",
)
def bad_address(node: Node) -> Iterator[Hit]:
    """Virtual servers, too."""
    for vs in node.view.virtual_servers:
        if vs.of == "address" and not _version(vs.target):
            yield Hit(vs.node.arg_at(), f"{shown(vs.target)} is no address")
        for rs in vs.real_servers:
            if not _version(rs.address):
                yield Hit(rs.node.arg_at(), f"{shown(rs.address)} is no address")


@rule(
    "LVS116",
    WARNING,
    "lvs",
    "Words after a service's port",
    why="keepalived reads past them and says nothing. A protocol that is written there is not the "
    "protocol: without a line of its own it is UDP.",
    fix="Remove them; write 'protocol TCP' as a line of its own.",
    source="vs_handler() and rs_handler() in keepalived's check_parser.c; -t of 2.2.7 is silent",
    bad="virtual_server 172.20.1.100 80 tcp {",
    good="virtual_server 172.20.1.100 80 {",
)
def words_after_the_port(node: Node) -> Iterator[Hit]:
    """Keyword, address and port; what else there is before the brace."""
    for vs in node.view.virtual_servers:
        for block in (vs.node, *(r.node for r in vs.real_servers)):
            if len(block.words) > _HEAD:
                word = block.words[_HEAD]
                said = f"{shown(word.value)} means nothing to keepalived here"
                yield Hit(word.at, said, edits=_shorter(node, block))


def _shorter(node: Node, block: Tree) -> tuple[Edit, ...]:
    """Return the edit that removes the words after the port, with the space before them."""
    last, end = block.words[_HEAD - 1].at, block.words[-1].at
    if not end.end or last.line != end.line or end.file not in node.config.files:
        return ()
    return (Edit(end.line, last.end, end.end, ""),)


@rule(
    "LVS117",
    WARNING,
    "lvs",
    "Port 0 without persistence",
    why="A service of every port has to be persistent, so keepalived makes it so: each client "
    "stays for 6 minutes with the real server that it got first.",
    fix="Write the port, or persistence_timeout with the time that you mean.",
    source="validate_check_config() in keepalived's check_data.c, IPVS_SVC_PERSISTENT_TIMEOUT of "
    "ip_vs.h; seen with keepalived 2.2.7: 'zero port only valid for persistent services - setting'",
    bad="virtual_server 172.20.1.100 0 {",
    good="virtual_server 172.20.1.100 80 {",
)
def port_zero(node: Node) -> Iterator[Hit]:
    """Also where the port is left out."""
    for vs in node.view.virtual_servers:
        if vs.of == "address" and not vs.port and not vs.has("persistence_timeout"):
            said = f"virtual_server {vs.target} is of every port, and persistent for 360 s"
            yield Hit(vs.node.at, said)
