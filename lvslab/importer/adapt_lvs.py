"""Virtual servers in the lab's words: groups taken apart, and a check where the lab has no such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from lvslab.conf.commands import command_of, joined
from lvslab.conf.lexer import Word
from lvslab.conf.tree import Node
from lvslab.conf.values import ipv4, whole
from lvslab.importer import adapt_udp
from lvslab.importer.model import Fate
from lvslab.importer.pools import IN_CHECKS
from lvslab.importer.twins import Twins, line
from lvslab.topology.spec import ASKING, Forwarding, Scheduler
from lvslab.topology.spoken import UDP_CHECKS

#: What any check with a connection takes; of a check that something stands in for, these are left.
_COMMON = frozenset(
    {"connect_port", "connect_timeout", "retry", "delay_before_retry", "warmup", "delay_loop"}
)
_TCP = "TCP_CHECK in the lab, of the same port at the same times: its servers speak no SMTP"
#: The checks that the lab's real servers cannot answer, and what stands in for them.
_STANDINS = {
    "SMTP_CHECK": ("TCP_CHECK", _TCP),
}
#: The block SSL of a file names these, and a checker that cannot read them ends (init_ssl_ctx()
#: of check_ssl.c).
_KEYS = "its files are not in the lab: the lab's real servers ask no client for a certificate"
_NOT_THERE = {
    "BFD_CHECK": "the lab's real servers speak no BFD: this server is never removed",
    "FILE_CHECK": "nothing in the lab writes that file: this server is never removed",
}
#: Those that keepalived and the lab know.
_SCHEDULERS = frozenset(get_args(Scheduler))
#: What leaves a packet's port as it is.
_SAME_PORT = {"DR": "direct routing", "TUN": "a tunnel"}
#: A group of more virtual servers than this is cut.
_RANGE = 32


def servers(twins: Twins) -> None:
    """Do all of it, in the order in which one needs the other."""
    for source in twins.sources:
        root = source.config.root
        for vs in root.all("virtual_server"):
            _ignored(twins, vs)
            _method(twins, vs)
        for vs in [v for v in root.all("virtual_server") if v.arg() == "group"]:
            _group(twins, root, vs)
        for vs in root.all("virtual_server"):
            _version(twins, vs)
            for rs in vs.all("real_server"):
                _checks(twins, rs, vs)
        for group in root.all("virtual_server_group"):
            for child in list(group.children):
                twins.make(child, [])
                mark = child.keyword == "fwmark"
                note = "the lab has no firewall marks" if mark else "a virtual_server in the lab"
                if mark or _addresses(child):
                    twins.drop(child, Fate.UNSUPPORTED if mark else Fate.MAPPED, note)
                else:
                    twins.drop(child, Fate.UNSUPPORTED, "no IPv4 address with a port")
            twins.make(group, [])
            twins.drop(group, Fate.MAPPED, "as a virtual_server of each of its addresses")
        for block in root.all("SSL"):
            twins.drop(block, Fate.UNSUPPORTED, _KEYS)


def _ignored(twins: Twins, vs: Node) -> None:
    """Leave out what keepalived reads past, where the lab's own checks would refuse it."""
    if vs.arg() not in ("group", "fwmark") and len(vs.args) > 2:
        words = ["virtual_server", *vs.args[:2]]
        twins.say(vs, words, Fate.MAPPED, f"{' '.join(words)}: keepalived reads past the rest")
    for node in vs.all("lb_algo", "lvs_sched"):
        if node.arg() not in _SCHEDULERS:
            note = "keepalived knows no such scheduler and takes wlc; so does the lab"
            twins.drop(node, Fate.MAPPED, note)


def _method(twins: Twins, vs: Node) -> None:
    """Say so where keepalived forwards by NAT because nothing else is (rightly) said.

    check_parser.c, svr_forwarding_handler(); check_data.c, validate_check_config().
    """
    node = vs.last("lb_kind", "lvs_method")
    if node is None:
        note = "without lb_kind keepalived takes NAT: was DR meant?"
        told = twins.told_of(vs)
        twins.tell(vs, Fate.MAPPED, f"{told[1]}; {note}" if told and told[1] else note)
    elif node.arg() not in get_args(Forwarding):
        note = f"keepalived takes {node.arg()!r} as NAT: was DR meant?"
        twins.say(node, ["lb_kind", "NAT"], Fate.MAPPED, note)


def _version(twins: Twins, vs: Node) -> None:
    if _is_v6(vs.arg()):
        twins.drop(vs, Fate.UNSUPPORTED, "no IPv6 in the lab yet")
        return
    for rs in vs.all("real_server"):
        if _is_v6(rs.arg()):
            twins.drop(rs, Fate.UNSUPPORTED, "no IPv6 in the lab yet")
        elif (ip := ipv4(rs.arg())) is None:
            twins.drop(rs, Fate.UNSUPPORTED, "is no address: keepalived does not take it either")
        elif ip.is_loopback:
            twins.drop(rs, Fate.UNSUPPORTED, _LOCAL)
    for sorry in vs.all("sorry_server"):
        if (ip := ipv4(sorry.arg())) is None:
            twins.drop(sorry, Fate.UNSUPPORTED, "is no IPv4 address")
        elif ip.is_loopback:
            twins.drop(sorry, Fate.UNSUPPORTED, _LOCAL)


_LOCAL = "the director itself: the lab's directors serve nothing; write a server's own address"


def _group(twins: Twins, root: Node, vs: Node) -> None:
    """Make a virtual server of each address of its group; the first is the one of the file."""
    group = next((g for g in root.all("virtual_server_group") if g.arg() == vs.arg(1)), None)
    lines = [] if group is None else [(c, m) for c in group.children for m in _addresses(c)]
    if group is None:
        return
    twins.make(group, [vs])
    if not lines:
        return
    members = [member for _, member in lines]
    index = root.children.index(vs)
    more = [_copied(vs, root) for _ in members[1:]]
    root.children[index + 1 : index + 1] = more
    for twin, (child, (address, port)) in zip([vs, *more], lines, strict=True):
        twins.make(child, [twin])
        words = ["virtual_server", address, port]
        twins.say(twin, words, Fate.MAPPED, f"a virtual_server of each: {_list(members)}")
    twins.make(group, more)


def _list(members: list[tuple[str, str]]) -> str:
    return ", ".join(f"{a} {p}" for a, p in members)


def _addresses(node: Node) -> list[tuple[str, str]]:
    """Return the addresses and the port of a line of a group; ``a.b.c.d-N`` are several."""
    first, _, last = node.keyword.partition("-")
    ip, port = ipv4(first.split("/")[0]), node.arg()
    if ip is None or whole(port) is None:
        return []
    end = whole(last) if last else None
    count = 1 if end is None else max(1, min(end - (int(ip) & 255) + 1, _RANGE))
    return [(str(ip + i), port) for i in range(count)]


def _copied(node: Node, parent: Node) -> Node:
    made = Node(list(node.words), [], node.opened, node.closed, parent)
    made.children.extend(_copied(child, made) for child in node.children)
    return made


def _checks(twins: Twins, rs: Node, vs: Node) -> None:
    for check in list(rs.children):
        if check.keyword in _NOT_THERE:
            twins.drop(check, Fate.UNSUPPORTED, _NOT_THERE[check.keyword])
        elif check.keyword in _STANDINS:
            kind, note = _STANDINS[check.keyword]
            port = _connect_port(check)
            twins.say(check, [kind], Fate.STUBBED, note)
            for child in [c for c in check.children if c.keyword not in _COMMON]:
                twins.drop(child, Fate.STUBBED, f"not asked in the lab: {kind} stands in for it")
            if port is not None and check.last("connect_port") is None:
                line(check, "connect_port", port)
        elif check.keyword in UDP_CHECKS:
            adapt_udp.datagram(twins, check)
    for ping in rs.all("PING_CHECK"):
        # It is put verbatim into the lab's file, and what it inherits is not.
        for of in [vs.last(k) for k in IN_CHECKS if not (ping.last(k) or rs.last(k))]:
            if of is not None:
                line(ping, of.keyword, of.arg())
    _ports(twins, rs, vs)


def _connect_port(check: Node) -> str | None:
    """Return the port of a check whose own default is not the real server's."""
    host = check.last("host")
    found = (host.last("connect_port") if host else None) or check.last("connect_port")
    if found is not None:
        return found.arg()
    return "25" if check.keyword == "SMTP_CHECK" and host is not None else None


def _ports(twins: Twins, rs: Node, vs: Node) -> None:
    """Give a real server of DR or TUN the port of its virtual server: keepalived does, too.

    With NAT it has its own; one without any has the virtual server's, and so has a sorry server
    (check_data.c, validate_check_config()). A check's port is set while the file is read, before
    that: it stays what is written (check_api.c, queue_checker()).
    """
    # alloc_rs() of check_data.c takes a port 0 as none.
    port, own = vs.arg(1), rs.arg(1) if whole(rs.arg(1)) else ""
    method = rs.last("lvs_method") or vs.last("lb_kind", "lvs_method")
    by = "NAT" if method is None else method.arg()
    if not whole(port):
        return
    if by not in _SAME_PORT:
        if own == "":
            note = f"port {port}, that of the virtual server: keepalived takes it as well"
            twins.say(rs, ["real_server", rs.arg(), port], Fate.MAPPED, note)
        port = own = rs.arg(1)
    # Whatever is no protocol is UDP to keepalived.
    udp = _last(vs, "protocol").upper() not in ("TCP", "SCTP")
    if own != port:
        note = f"port {port}: {_SAME_PORT[by]} delivers to that one, whatever is written here"
        twins.say(rs, ["real_server", rs.arg(), port], Fate.MAPPED, note)
    for check in rs.all(*ASKING, "TCP_CHECK", *UDP_CHECKS):
        by_tcp = check.keyword not in UDP_CHECKS
        if check.last("connect_port") is None and (own not in (port, "") or (udp and by_tcp)):
            line(check, "connect_port", own or port)


def _last(node: Node, keyword: str) -> str:
    found = node.last(keyword)
    return found.arg() if found else ""


def _is_v6(text: str) -> bool:
    return ":" in text


def scripts(twins: Twins, programs: Mapping[str, str]) -> None:
    """Put something in the place of each script that says yes, and no when it is told to.

    One whose program is in the lab stays.
    """
    for source in twins.sources:
        for node in source.config.root.walk():
            of = node.parent
            if of is None:
                continue
            why = ""
            if node.keyword in ("script", "misc_path") and program_of(node) in programs:
                if node.keyword == "script" or _can_be_said(node):
                    note = "the lab's directors have the program that you gave"
                    twins.tell(node, Fate.KEPT, note)
                    continue
                why = "an argument has a quote or a backslash, which no topology can say: "
            if node.keyword == "script" and of.keyword == "vrrp_script":
                _stub(twins, node, of.arg())
            elif node.keyword == "misc_path" and of.parent is not None:
                _stub(twins, node, of.parent.arg(), why)
            elif node.keyword == "script_user" and node.arg() != "root":
                twins.say(node, ["script_user", "root"], Fate.MAPPED)


def program_of(node: Node) -> str:
    """Return the path of what a script's line runs; empty where it says none."""
    return command_of(node).program


def _can_be_said(node: Node) -> bool:
    """Have a MISC_CHECK's command as its first word, as a topology has it; say whether it can."""
    argv = command_of(node).argv
    if command_of(Node([node.words[0], replace(node.words[1], quoted=True)])).argv != argv:
        command = joined(argv)
        if command is None:
            return False
        node.words = [node.words[0], Word(command, node.words[1].at, quoted=True)]
    return True


def _stub(twins: Twins, node: Node, of: str, why: str = "") -> None:
    at = node.words[0].at
    command = f"/usr/bin/test ! -e /run/lvslab/fail-{of}"
    if node.arg() == command:
        return
    node.words = [node.words[0], Word(command, at, quoted=True)]
    note = f"{why}succeeds in the lab until its director has /run/lvslab/fail-{of}"
    twins.tell(node, Fate.STUBBED, note)
