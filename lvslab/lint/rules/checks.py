"""LVS100 to LVS119: health checks, and how long they take to act."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lvslab.conf.models import Check, RealServer, VirtualServer
from lvslab.conf.tree import Node as Tree
from lvslab.durations import show
from lvslab.lint.formulas import removal
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import shown

_HTTP = ("HTTP_GET", "SSL_GET")


def _checks(node: Node) -> Iterator[tuple[VirtualServer, RealServer, Check]]:
    for vs in node.view.virtual_servers:
        for rs in vs.real_servers:
            for check in rs.checks:
                yield vs, rs, check


def _urls(node: Node) -> Iterator[tuple[Check, Tree]]:
    for _, _, check in _checks(node):
        for url in check.urls:
            yield check, url


@rule(
    "LVS100",
    WARNING,
    "checks",
    "Removal of a real server takes longer than the budget",
    why="A real server that is gone gets its share of the requests until keepalived removes it: "
    "up to delay_loop until a check notices, then retry + 1 attempts with delay_before_retry "
    "between them. An attempt takes no time where the port refuses, and connect_timeout where "
    "nothing answers.",
    fix="Make delay_loop, retry, delay_before_retry or connect_timeout smaller, or the budget "
    "larger.",
    source="epilog() in keepalived's check_http.c, tcp_epilog() in check_tcp.c; 'lvslab bounds' "
    "and docs/measuring.md measure it",
    bad="delay_loop 6\n... retry 3\n... delay_before_retry 3",
)
def removal_too_slow(node: Node) -> Iterator[Hit]:
    """Only with --budget rs_removed=..."""
    budget = node.budget.rs_removed
    if budget is None:
        return
    told: set[tuple[object, ...]] = set()
    for vs, rs, check in _checks(node):
        bound = removal(check, "timeout")
        key = (vs.node.at, check.kind, bound)
        if bound is None or bound.high <= budget or key in told:
            continue
        told.add(key)
        said = f"{rs.address} is removed after up to {show(bound.high)}, {show(budget)} is allowed"
        yield Hit(check.node.at, f"{said} ({bound.formula})")


@rule(
    "LVS101",
    WARNING,
    "checks",
    "A real server without a check",
    why="It is never removed: when it is gone its share of the requests fails until somebody "
    "edits the file.",
    fix="Write a check: HTTP_GET, TCP_CHECK, ...",
    source="keepalived.conf(5), 'healthcheckers'",
    good="real_server 172.20.1.10 80 {\n    TCP_CHECK {\n    }\n}",
)
def no_check(node: Node) -> Iterator[Hit]:
    """None of any kind."""
    for vs in node.view.virtual_servers:
        for rs in vs.real_servers:
            if not rs.checks:
                yield Hit(rs.node.at, f"real_server {rs.key} has no check", "TCP_CHECK { ... }")


@rule(
    "LVS102",
    WARNING,
    "checks",
    "A check that a redirect fools",
    why="A web server that is broken often redirects: to a login, a maintenance page, another "
    "host. keepalived does not follow it; with 3xx among the good codes it is content.",
    fix="Ask for a page that answers 200, and write status_code 200; or compare a digest.",
    source="keepalived.conf(5), 'status_code'; http_handle_response() in check_http.c",
    bad="status_code 200-399",
    good="status_code 200",
)
def redirect_passes(node: Node) -> Iterator[Hit]:
    """3xx among the codes, and no digest."""
    for _, url in _urls(node):
        line = url.last("status_code")
        if line is None or url.last("digest"):
            continue
        for word in line.words[1:]:
            low, _, high = word.value.partition("-")
            if not (low.isdecimal() and (high or low).isdecimal()) or len(word.value) > 9:
                continue
            if int(low) <= 399 and int(high or low) >= 300:
                yield Hit(word.at, f"status_code {word.value} takes a redirect for health", "200")
                break


@rule(
    "LVS103",
    ERROR,
    "checks",
    "A status code that is none",
    why="keepalived says 'Invalid HTTP_GET status code' and ignores it.",
    fix="Write codes from 100 to 599, or ranges of them.",
    source="status_code_handler() in keepalived's check_http.c; seen with 2.2.7",
    bad="status_code OK",
)
def bad_status_code(node: Node) -> Iterator[Hit]:
    """No number, or out of range."""
    for _, url in _urls(node):
        line = url.last("status_code")
        for word in line.words[1:] if line else ():
            ends = word.value.split("-")
            if len(ends) > 2 or not all(e.isdecimal() and 100 <= int(e[:9]) <= 599 for e in ends):
                yield Hit(word.at, f"{shown(word.value)} is no status code", "200")
                break


@rule(
    "LVS104",
    ERROR,
    "checks",
    "A url without path",
    why="keepalived says 'url has no path - ignoring': the check asks nothing, and the real server "
    "is never found to be down.",
    fix="Write path /...",
    source="seen with keepalived 2.2.7: 'HTTP/SSL_GET checker url has no path - ignoring'",
    bad="url {\n    status_code 200\n}",
)
def url_without_path(node: Node) -> Iterator[Hit]:
    """No line path."""
    for _, url in _urls(node):
        if url.last("path") is None:
            yield Hit(url.at, "this url has no path", "path /")


@rule(
    "LVS105",
    ERROR,
    "checks",
    "HTTP_GET without a url",
    why="keepalived says 'has no urls specified' and drops the check: the real server is never "
    "found to be down. Version 2.2.7 then dies of a segmentation fault, in -t, too.",
    fix="Write url { path / }.",
    source="seen with keepalived 2.2.7: 'has no urls specified', then 'Segmentation fault'",
    bad="HTTP_GET {\n    connect_timeout 3\n}",
)
def http_without_url(node: Node) -> Iterator[Hit]:
    """No block url."""
    for _, _, check in _checks(node):
        if check.kind in _HTTP and not check.urls:
            yield Hit(check.node.at, f"{check.kind} has no url", "url { path / }")


@rule(
    "LVS106",
    ERROR,
    "checks",
    "A digest of the wrong length",
    why="It is the MD5 sum of the page: 32 hexadecimal digits. Any other never matches, or is "
    "refused.",
    fix="Take what 'genhash -s ADDRESS -p PORT -u PATH' prints.",
    source="digest_handler() in keepalived's check_http.c; genhash(1)",
    bad="digest 1234",
)
def bad_digest(node: Node) -> Iterator[Hit]:
    """Not 32 digits."""
    for _, url in _urls(node):
        line = url.last("digest")
        if line is not None and line.args and not re.fullmatch(r"[0-9a-fA-F]{32}", line.arg()):
            yield Hit(line.arg_at(), f"{shown(line.arg())} is no MD5 sum")


@rule(
    "LVS107",
    WARNING,
    "checks",
    "A check of another port than the service's",
    why="The check may pass while the service itself is down, and fail while it is up.",
    fix="Check the service's port, unless a health port is what is meant.",
    source="keepalived.conf(5), 'connect_port'",
    bad="real_server 172.20.1.10 80 {\n    TCP_CHECK {\n        connect_port 22\n    }\n}",
)
def other_port(node: Node) -> Iterator[Hit]:
    """The only check of a real server, and another port."""
    for _, rs, check in _checks(node):
        port = check.connect_port
        if port is not None and rs.port and port != rs.port and len(rs.checks) == 1:
            at = check.at("connect_port")
            yield Hit(at, f"port {port} is checked, {rs.port} is served", str(rs.port))


@rule(
    "LVS108",
    WARNING,
    "checks",
    "HTTP_GET of a TLS port, or SSL_GET of a plain one",
    why="The server does not understand the check and refuses it: the real server is always down.",
    fix="Use SSL_GET for 443, HTTP_GET for 80.",
    source="keepalived.conf(5), 'HTTP_GET|SSL_GET'",
)
def wrong_protocol(node: Node) -> Iterator[Hit]:
    """443 with HTTP_GET, 80 with SSL_GET."""
    for _, rs, check in _checks(node):
        port = check.connect_port or rs.port
        if (check.kind, port) in (("HTTP_GET", 443), ("SSL_GET", 80)):
            right = "SSL_GET" if check.kind == "HTTP_GET" else "HTTP_GET"
            yield Hit(check.node.at, f"{check.kind} of port {port}", right)


@rule(
    "LVS109",
    WARNING,
    "checks",
    "A UDP service checked by TCP",
    why="That something listens on the TCP port says nothing about the UDP service.",
    fix="Use UDP_CHECK, DNS_CHECK or MISC_CHECK.",
    source="keepalived.conf(5), 'UDP_CHECK', 'DNS_CHECK'",
)
def tcp_check_of_udp(node: Node) -> Iterator[Hit]:
    """Only where protocol UDP is written: LVS081 speaks of the default."""
    for vs, rs, check in _checks(node):
        tcp = check.kind in ("TCP_CHECK", *_HTTP)
        if tcp and vs.of == "address" and _udp(vs):
            other = check.connect_port is not None and check.connect_port != rs.port
            if not other:
                yield Hit(check.node.at, f"{check.kind} of a UDP service", "UDP_CHECK")


def _udp(vs: VirtualServer) -> bool:
    line = vs.node.last("protocol")
    return line is not None and line.arg().upper() == "UDP"


@rule(
    "LVS110",
    ERROR,
    "checks",
    "MISC_CHECK without misc_path",
    why="keepalived says 'No script path has been specified' and drops the check.",
    fix='Write misc_path "/path/to/program arguments".',
    source="misc_end_handler() in keepalived's check_misc.c",
    bad="MISC_CHECK {\n    misc_timeout 3\n}",
)
def misc_without_path(node: Node) -> Iterator[Hit]:
    """No program."""
    for _, _, check in _checks(node):
        if check.kind == "MISC_CHECK" and not check.has("misc_path"):
            yield Hit(check.node.at, "MISC_CHECK has no misc_path")


@rule(
    "LVS111",
    WARNING,
    "checks",
    "A check that waits longer than its loop",
    why="connect_timeout above delay_loop: the next check begins only when this one has ended, so "
    "the loop is not kept for a server that hangs.",
    fix="Write a connect_timeout below delay_loop.",
    source="keepalived's check_tcp.c and check_http.c: the timer starts after the attempt",
    bad="delay_loop 2\n... connect_timeout 5",
)
def slow_check(node: Node) -> Iterator[Hit]:
    """Both written: keepalived's own pair is 5 of 60."""
    for vs, rs, check in _checks(node):
        written = any(b.has("connect_timeout") for b in (check, rs, vs))
        if written and check.kind != "MISC_CHECK" and check.connect_timeout > check.delay_loop:
            said = f"connect_timeout {check.connect_timeout:g} is above delay_loop"
            yield Hit(check.at("connect_timeout"), f"{said} {check.delay_loop:g}")


@rule(
    "LVS112",
    INFO,
    "checks",
    "The default delay_loop of 60 seconds",
    why="Nothing is written, so a real server that is gone may stay for more than a minute.",
    fix="Write delay_loop.",
    source="KEEPALIVED_DEFAULT_DELAY in keepalived's check_data.h; keepalived.conf(5)",
    good="delay_loop 6",
)
def default_delay_loop(node: Node) -> Iterator[Hit]:
    """Neither in the virtual server, nor below it."""
    for vs in node.view.virtual_servers:
        below = (b for rs in vs.real_servers for b in (rs, *rs.checks))
        if not vs.has("delay_loop") and not any(b.has("delay_loop") for b in below):
            yield Hit(vs.node.at, f"virtual_server {vs.key} has no delay_loop: 60 s")


@rule(
    "LVS113",
    ERROR,
    "checks",
    "A check of a bfd_instance or a track_file that is not defined",
    why="keepalived drops the check.",
    fix="Define it, or correct the name.",
    source="bfd_check_end() in keepalived's check_bfd.c; check_file.c",
)
def unknown_check_target(node: Node) -> Iterator[Hit]:
    """BFD_CHECK's name, FILE_CHECK's track_file."""
    wanted = {"BFD_CHECK": ("name", "track_bfd"), "FILE_CHECK": ("track_file", "track_file")}
    for _, _, check in _checks(node):
        if check.kind not in wanted:
            continue
        keyword, kind = wanted[check.kind]
        line = check.node.last(keyword)
        if line is not None and line.arg() not in node.view.trackers[kind]:
            yield Hit(line.arg_at(), f"{shown(line.arg())} is not defined")
