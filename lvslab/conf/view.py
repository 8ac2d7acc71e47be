"""From the tree to what it means. Total: a value that cannot be read leaves the default.

Defaults and inheritance as keepalived 2.2 has them: vrrp_data.c, vrrp.c (vrrp_complete_instance),
check_data.c, check_api.c, check_http.c, check_dns.c; keepalived.conf(5).
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

from lvslab.conf.models import (
    Check,
    Group,
    Instance,
    RealServer,
    Script,
    SyncGroup,
    Track,
    View,
    Vip,
    VirtualServer,
)
from lvslab.conf.tree import Node
from lvslab.conf.values import boolean, number, whole

CHECKS = (
    "HTTP_GET",
    "SSL_GET",
    "TCP_CHECK",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "BFD_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
    "FILE_CHECK",
)
#: Attempts after a failed one, and seconds between them, where nothing is written.
_RETRY = {"DNS_CHECK": 3, "MISC_CHECK": 0}
_RETRY_DELAY = {"HTTP_GET": 3.0, "SSL_GET": 3.0}
_DELAY_LOOP = 60.0
_CONNECT_TIMEOUT = 5.0


def view_of(root: Node) -> View:
    """Return what a tree means."""
    globals_ = tuple(root.all("global_defs"))
    view = View(root, globals_)
    return View(
        root,
        globals_,
        tuple(_instance(n, view) for n in first_of_each(root, "vrrp_instance")),
        tuple(_sync_group(n) for n in first_of_each(root, "vrrp_sync_group")),
        tuple(_script(n) for n in root.all("vrrp_script")),
        tuple(_virtual_server(n) for n in root.all("virtual_server")),
        tuple(_group(n) for n in root.all("virtual_server_group")),
        {
            "track_script": frozenset(n.arg() for n in root.all("vrrp_script")),
            "track_file": frozenset(n.arg() for n in root.all("track_file", "vrrp_track_file")),
            "track_process": frozenset(n.arg() for n in root.all("vrrp_track_process")),
            "track_bfd": frozenset(n.arg() for n in root.all("bfd_instance")),
        },
    )


def first_of_each(root: Node, keyword: str) -> list[Node]:
    """Return the blocks of a keyword without those whose name an earlier one has.

    keepalived skips a ``vrrp_instance`` and a ``vrrp_sync_group`` that is "already defined"
    (vrrp_parser.c, vrrp_handler() and vrrp_sync_group_handler()).
    """
    found: dict[str, Node] = {}
    for node in root.all(keyword):
        found.setdefault(node.arg(), node)
    return list(found.values())


def _value(node: Node, *keywords: str) -> str:
    found = node.last(*keywords)
    return found.arg() if found else ""


def _flag(node: Node, keyword: str) -> bool:
    """Return whether a keyword is written that may have a boolean."""
    found = node.last(keyword)
    return found is not None and (not found.args or boolean(found.arg()) is not False)


def _instance(node: Node, view: View) -> Instance:
    vips = tuple(
        _vip(child, block.keyword.endswith("excluded"))
        for block in node.all("virtual_ipaddress", "virtual_ipaddress_excluded")
        for child in block.children
        if child.words and child.words[0].value
    )
    first = next((v.address for v in vips if v.address and not v.excluded), None)
    setting = view.setting("vrrp_version")
    version = whole(_value(node, "version")) or (whole(setting.arg()) if setting else None) or 2
    if first is not None and first.version == 6:
        version = 3
    auth = node.last("authentication")
    strict = view.setting("vrrp_strict") is not None
    if node.last("strict_mode") is not None:
        strict = _flag(node, "strict_mode")
    adverts = view.setting("vrrp_down_timer_adverts")
    priority = whole(_value(node, "priority"))
    interval = number(_value(node, "advert_int"))
    peers = node.last("unicast_peer")
    return Instance(
        node=node,
        name=node.arg(),
        state=_value(node, "state") or "BACKUP",
        interface=_value(node, "interface"),
        vrid=whole(_value(node, "virtual_router_id")),
        priority=priority if priority is not None and 1 <= priority <= 255 else 100,
        version=version,
        advert_int=interval if interval is not None and interval > 0 else 1.0,
        nopreempt=node.last("nopreempt") is not None,
        preempt_delay=number(_value(node, "preempt_delay")) or 0.0,
        strict=strict,
        accept=node.last("accept") is not None,
        auth_type=_value(auth, "auth_type") if auth else "",
        auth_pass=_value(auth, "auth_pass") if auth else "",
        vips=vips,
        unicast_src=_value(node, "unicast_src_ip", "mcast_src_ip"),
        peers=tuple(_ip(c.keyword) for c in peers.children if c.keyword) if peers else (),
        unicast=peers is not None and bool(peers.children),
        tracks=_tracks(node),
        down_timer_adverts=whole(_value(node, "down_timer_adverts"))
        or (whole(adverts.arg()) if adverts else None)
        or 3,
    )


def _vip(node: Node, excluded: bool) -> Vip:
    words = [w.value for w in node.words]
    text = words[0]
    try:
        address = ip_interface(text)
    except ValueError:
        address = None

    def after(word: str) -> str | None:
        index = words.index(word) if word in words else len(words)
        return words[index + 1] if index + 1 < len(words) else None

    return Vip(node, text, address, "/" in text, after("dev"), after("label"), excluded)


def _ip(text: str) -> str:
    """Return an address in one form, or the text where it is none."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _tracks(node: Node) -> tuple[Track, ...]:
    found = []
    kinds = ("track_script", "track_interface", "track_file", "track_process", "track_bfd")
    for block in node.all(*kinds):
        for child in block.children:
            args = child.args
            weight = None
            if "weight" in args:
                index = args.index("weight")
                weight = whole(args[index + 1]) if index + 1 < len(args) else None
            found.append(Track(child, block.keyword, child.keyword, weight, "reverse" in args))
    return tuple(found)


def _sync_group(node: Node) -> SyncGroup:
    block = node.last("group")
    nodes = tuple(block.children) if block else ()
    return SyncGroup(node, node.arg(), tuple(n.keyword for n in nodes), nodes)


def _script(node: Node) -> Script:
    return Script(
        node,
        node.arg(),
        _value(node, "script"),
        number(_value(node, "interval")) or 1.0,
        number(_value(node, "timeout")),
        whole(_value(node, "weight")) or 0,
        whole(_value(node, "rise")) or 1,
        whole(_value(node, "fall")) or 1,
    )


def _virtual_server(node: Node) -> VirtualServer:
    of, target, port = "address", _ip(node.arg()), whole(node.arg(1))
    if node.arg() in ("fwmark", "group"):
        of, target, port = node.arg(), node.arg(1), None
    protocol = _value(node, "protocol").upper()
    method = _value(node, "lb_kind", "lvs_method")
    persistence = node.last("persistence_timeout")
    sorry = node.last("sorry_server")
    quorum = whole(_value(node, "quorum"))
    return VirtualServer(
        node=node,
        of=of,
        target=target,
        port=port,
        protocol=protocol if protocol in ("TCP", "UDP", "SCTP") else "UDP",
        scheduler=_value(node, "lb_algo", "lvs_sched") or "wlc",
        method=method if method in ("NAT", "DR", "TUN") else "NAT",
        delay_loop=number(_value(node, "delay_loop")) or _DELAY_LOOP,
        persistence_timeout=None
        if persistence is None
        else (whole(persistence.arg()) if persistence.args else 360),
        quorum=quorum if quorum else 1,
        hysteresis=whole(_value(node, "hysteresis")) or 0,
        ops=node.last("ops") is not None,
        sorry=(_ip(sorry.arg()), whole(sorry.arg(1))) if sorry else None,
        real_servers=tuple(_real_server(n, node) for n in node.all("real_server")),
    )


def _real_server(node: Node, vs: Node) -> RealServer:
    weight = whole(_value(node, "weight"))
    if weight is None:
        weight = whole(_value(vs, "weight"))
    return RealServer(
        node=node,
        address=_ip(node.arg()),
        port=whole(node.arg(1)),
        weight=1 if weight is None or weight < 0 else weight,
        method=_value(node, "lvs_method") or _value(vs, "lb_kind", "lvs_method"),
        checks=tuple(_check(n, node, vs) for n in node.all(*CHECKS)),
    )


def _check(node: Node, rs: Node, vs: Node) -> Check:
    kind = node.keyword

    def inherited(*keywords: str) -> float | None:
        for block in (node, rs, vs):
            value = number(_value(block, *keywords))
            # Out of range: keepalived ignores it. Only a check itself takes a retry of 0.
            zero = keywords[0] == "delay_before_retry" or (keywords[0] == "retry" and block is node)
            if value is not None and (value > 0 or (value == 0 and zero)):
                return value
        return None

    delay_loop = inherited("delay_loop")
    loop = _DELAY_LOOP if delay_loop is None else delay_loop
    retry = inherited("retry")
    if kind in ("HTTP_GET", "SSL_GET") and (own := node.last("retry", "nb_get_retry")):
        # nb_get_retry is the old name there, and nothing anywhere else (check_http.c).
        retry = number(own.arg()) if (number(own.arg()) or -1.0) >= 0 else retry
    delay = inherited("delay_before_retry")
    timeout = inherited("connect_timeout")
    default_delay = loop if kind == "DNS_CHECK" else _RETRY_DELAY.get(kind, 1.0)
    return Check(
        node=node,
        kind=kind,
        connect_port=whole(_value(node, "connect_port")) or None,
        connect_timeout=_CONNECT_TIMEOUT if timeout is None else timeout,
        retry=_RETRY.get(kind, 1) if retry is None else int(retry),
        delay_before_retry=default_delay if delay is None else delay,
        delay_loop=loop,
        misc_timeout=number(_value(node, "misc_timeout")),
        urls=tuple(node.all("url")),
    )


def _group(node: Node) -> Group:
    found = []
    for child in node.children:
        if child.keyword != "fwmark":
            found.append(_ip(child.keyword.split("/")[0]))
    return Group(node, node.arg(), tuple(found))
