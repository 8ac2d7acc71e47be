"""Virtual servers of the files -> those of a topology, and the real servers they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, get_args

from lvslab.conf.models import Check, RealServer, VirtualServer
from lvslab.conf.tree import Node, render
from lvslab.conf.values import whole
from lvslab.conf.view import CHECKS
from lvslab.importer.model import ImportProblem
from lvslab.importer.words import MAIL, SCRIPTS, STUB
from lvslab.topology.spec import ASKING, CheckKind, Forwarding, SchedulerFlag

_FLAGS = get_args(SchedulerFlag)
#: What of a virtual server each check inherits: a topology has it there.
IN_CHECKS = ("retry", "delay_before_retry", "connect_timeout")
#: Of these one line of a virtual server counts, the last. Several names are one line.
SERVER_VALUES = (
    "delay_loop",
    "lb_algo lvs_sched",
    "lb_kind lvs_method",
    "protocol",
    "persistence_timeout",
    "persistence_granularity",
    "quorum",
    "hysteresis",
    "sorry_server",
    "inhibit_on_failure",
    *IN_CHECKS,
)
#: Of a virtual server a topology says these; the rest is in its raw text.
SERVER = frozenset(
    [
        *_FLAGS,
        *" ".join(SERVER_VALUES).split(),
        "alpha",
        "omega",
        "ops",
        "sorry_server_inhibit",
        "real_server",
    ]
)
#: The checks that a topology has.
_CHECKS = get_args(CheckKind)
#: A ping needs no key: any node answers it.
_REAL = frozenset({"weight", "inhibit_on_failure", *CHECKS}) - {"PING_CHECK"}


_METHODS: dict[str, Forwarding] = {m: m for m in get_args(Forwarding)}


@dataclass
class Servers:
    """Real servers by address, named in the order in which the files have them."""

    names: dict[IPv4Address, str] = field(default_factory=dict)

    def name(self, address: str, of: Node) -> str:
        """Return the name of the real server of an address. Raises ImportProblem."""
        try:
            ip = IPv4Address(address)
        except ValueError:
            raise ImportProblem(
                f"{address!r} is not an IPv4 address", where=str(of.at), fix="IPv4 only, for now"
            ) from None
        return self.names.setdefault(ip, f"rs{len(self.names) + 1}")


def raw_of(node: Node, known: frozenset[str]) -> str:
    """Return the lines of a block that a topology has no key for, scripts and mail left out."""
    kept = [
        c
        for c in node.children
        if c.keyword not in known and c.keyword not in MAIL and c.keyword not in SCRIPTS
    ]
    return render(Node([], kept)) if kept else ""


def forwarding(vs: VirtualServer) -> Forwarding | None:
    """Return how a virtual server forwards; None where a topology cannot say it.

    A topology has one method, that of the first for which there is one.
    """
    if vs.of != "address" or not vs.port or ":" in vs.target or not vs.real_servers:
        return None
    # What is missing, or is none, is NAT: check_data.c, validate_check_config().
    methods = {_METHODS.get(m, "NAT") for m in (vs.method, *(r.method for r in vs.real_servers))}
    return methods.pop() if len(methods) == 1 else None


def virtual_server(vs: VirtualServer, servers: Servers) -> dict[str, Any]:
    """Return a virtual server as a topology says it: one that has a :func:`forwarding`."""
    method = forwarding(vs)
    node = vs.node
    made: dict[str, Any] = {
        "vip": vs.target,
        "port": vs.port,
        "forwarding": None if method == "DR" else method,
        "protocol": vs.protocol,
        "scheduler": vs.scheduler,
        "scheduler_flags": [f for f in _FLAGS if vs.has(f)],
        "delay_loop": vs.delay_loop,
        "persistence_timeout": vs.persistence_timeout,
        "persistence_granularity": _arg(node, "persistence_granularity"),
        "quorum": vs.quorum,
        "hysteresis": vs.hysteresis,
        "alpha": vs.has("alpha"),
        "omega": vs.has("omega"),
        "ops": vs.ops,
        "check": "none",
        "raw": raw_of(node, SERVER),
        "real_servers": {},
    }
    for real in vs.real_servers:
        made["real_servers"][servers.name(real.address, real.node)] = _member(real, vs)
    if vs.sorry is not None:
        made["sorry_server"] = {
            "server": servers.name(vs.sorry[0], node),
            "port": _port(vs, vs.sorry[1]) if method == "NAT" else None,
            "inhibit": vs.has("sorry_server_inhibit"),
        }
    return made


def _port(vs: VirtualServer, own: int | None) -> int | None:
    """Return a port behind NAT, where it is not the virtual server's."""
    return None if own == vs.port else own


def _member(real: RealServer, vs: VirtualServer) -> dict[str, Any]:
    inhibit = real.has("inhibit_on_failure") or vs.has("inhibit_on_failure")
    check = next((c for c in real.checks if c.kind in _CHECKS), None)
    return {
        "port": _port(vs, real.port) if forwarding(vs) == "NAT" else None,
        "weight": real.weight,
        "inhibit_on_failure": inhibit or None,
        "check": None if check is None else _check(check),
        "raw": raw_of(real.node, _REAL),
    }


_CHECK = frozenset(
    [
        "url",
        "connect_port",
        "connect_timeout",
        "retry",
        "delay_before_retry",
        "misc_path",
        "misc_timeout",
        "misc_dynamic",
    ]
)


#: What else a topology says of a check of that kind.
_OF_KIND = {
    "HTTP_GET": frozenset({"nb_get_retry"}),
    "SSL_GET": frozenset({"nb_get_retry"}),
    "UDP_CHECK": frozenset({"payload", "require_reply", "min_reply_length", "max_reply_length"}),
    "DNS_CHECK": frozenset({"type", "name"}),
}


def _check(check: Check) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": check.kind,
        "connect_port": check.connect_port,
        "connect_timeout": None if check.kind == "MISC_CHECK" else check.connect_timeout,
        "retry": check.retry,
        "delay_before_retry": check.delay_before_retry,
        "raw": _raw_check(check) or None,
    }
    if check.kind == "MISC_CHECK":
        made |= {
            "misc_path": _arg(check.node, "misc_path") or STUB,
            "misc_timeout": None if check.misc_timeout is None else round(check.misc_timeout),
            "misc_dynamic": check.has("misc_dynamic") or None,
        }
    if check.kind == "UDP_CHECK":
        required = check.node.last("require_reply")
        made |= {
            "payload": _arg(check.node, "payload"),
            "require_reply": None if required is None else required.arg() or True,
            "min_reply_length": _whole(check.node, "min_reply_length"),
            "max_reply_length": _whole(check.node, "max_reply_length"),
        }
    if check.kind == "DNS_CHECK":
        made |= {"dns_type": _arg(check.node, "type"), "name": _arg(check.node, "name")}
    if check.kind in ASKING and check.urls:
        url = check.urls[0]
        status = _arg(url, "status_code")
        made |= {
            "path": _arg(url, "path"),
            "status_code": int(status) if status and status.isdigit() else None,
            "digest": _arg(url, "digest"),
            "virtualhost": _arg(url, "virtualhost"),
        }
    return made


def _raw_check(check: Check) -> str:
    """Return what a topology has no key for: also the second URL and those after it."""
    known = _CHECK | _OF_KIND.get(check.kind, frozenset())
    return raw_of(check.node, known) + render(Node([], list(check.urls[1:])))


def _arg(node: Node, keyword: str) -> str | None:
    found = node.last(keyword)
    return found.arg() or None if found else None


def _whole(node: Node, keyword: str) -> int | None:
    found = node.last(keyword)
    return whole(found.arg()) if found else None
