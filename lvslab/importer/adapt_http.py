"""Checks that ask for a page, in the lab's words: what its real servers can answer, they do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from lvslab.conf.tree import Node
from lvslab.conf.values import codes_of, ipv4, status_codes, whole
from lvslab.importer.model import Fate
from lvslab.importer.twins import Twins, line
from lvslab.plan.render import page_of
from lvslab.topology.served import OK, Place, spread
from lvslab.topology.spec import ASKING

_BOTH = (
    "HTTP_GET in the lab: the same port is asked without TLS as well, and a port of the lab's "
    "servers speaks it or not"
)
_REGEX = "not asked in the lab, whose page is another: its status and its digest are looked at"
_IGNORED = "is no status: keepalived ignores it, and so does the lab"


def checks(twins: Twins) -> None:
    """Leave each check as it is, but for what the lab's real servers cannot answer."""
    _without_tls(twins)
    answered: dict[tuple[Place, str], frozenset[int]] = {}
    for check, rs in _asking(twins):
        first = True
        for url in check.all("url"):
            _body(twins, url, rs)
            if (path := url.last("path")) is not None:
                _status(twins, url, answered, (_place(check, rs), path.arg()), first=first)
            first = False


def _asking(twins: Twins) -> Iterator[tuple[Node, Node]]:
    for source in twins.sources:
        for vs in source.config.root.all("virtual_server"):
            for rs in vs.all("real_server"):
                for check in rs.all(*ASKING):
                    yield check, rs


def _sorry_port(vs: Node, sorry: Node) -> int:
    """Return where a sorry server answers: only NAT has another port than the virtual server's."""
    method = vs.last("lb_kind", "lvs_method")
    own = whole(sorry.arg(1)) if method is None or method.arg() == "NAT" else None
    return own or whole(vs.arg(1)) or 0


def _place(check: Node, rs: Node) -> Place:
    """Return where a check connects to."""
    own = check.last("connect_port")
    return rs.arg(), whole(own.arg() if own else rs.arg(1)) or 0


def _without_tls(twins: Twins) -> None:
    """Ask without TLS where a port would have to be with it and without."""
    together = []
    for source in twins.sources:
        for vs in source.config.root.all("virtual_server"):
            places = {(r.arg(), whole(r.arg(1)) or 0) for r in vs.all("real_server")}
            places |= {(s.arg(), _sorry_port(vs, s)) for s in vs.all("sorry_server")}
            protocol = vs.last("protocol")
            if protocol is not None and protocol.arg().upper() == "TCP":
                together.append(places)
    plain = {_place(c, rs) for c, rs in _asking(twins) if c.keyword == "HTTP_GET"}
    secure = [(c, _place(c, rs)) for c, rs in _asking(twins) if c.keyword == "SSL_GET"]
    mixed = spread([p for _, p in secure], together) & plain
    # Whatever hangs together with such a port is asked without.
    mixed = spread(mixed, together)
    for check, place in secure:
        if place in mixed:
            twins.say(check, ["HTTP_GET"], Fate.STUBBED, _BOTH)
            for child in check.all("enable_sni", "sni_name"):
                twins.drop(child, Fate.STUBBED, "of TLS only")


def _body(twins: Twins, url: Node, rs: Node) -> None:
    """Ask for what the lab's page has: it is the same for every path."""
    digest, address = url.last("digest"), ipv4(rs.arg())
    if digest is not None and address is not None:
        own = hashlib.md5(page_of(address), usedforsecurity=False).hexdigest()
        if digest.arg().lower() != own:
            twins.say(digest, ["digest", own], Fate.MAPPED, f"digest {own}: that of the lab's page")
    for child in [c for c in url.children if c.keyword.startswith("regex")]:
        twins.drop(child, Fate.STUBBED, _REGEX)


def _status(
    twins: Twins,
    url: Node,
    answered: dict[tuple[Place, str], frozenset[int]],
    where: tuple[Place, str],
    *,
    first: bool,
) -> None:
    """Have a path answered with a status that the check takes.

    A topology's check has one status, of its first URL; those after it stand there verbatim.
    """
    lines = url.all("status_code")
    words = [word for one in lines for word in one.args if codes_of(word)]
    if first and not words:
        for one in lines:
            twins.drop(one, Fate.MAPPED, _IGNORED)
        lines = []
    codes = status_codes(words)
    both = answered.get(where, codes) & codes
    if not both:
        code = min(answered[where])
        note = f"status_code {code}: another check wants that of this path, which has one status"
        _one(twins, url, lines, code, Fate.STUBBED, note)
        answered[where] = frozenset({code})
        return
    if first and lines and [w for one in lines for w in one.args] != [str(min(both))]:
        code = _first(words, both)
        _one(twins, url, lines, code, Fate.MAPPED, f"status_code {code}")
        both = frozenset({code})
    answered[where] = both


def _first(words: list[str], codes: frozenset[int]) -> int:
    """Return 200, or the first status of a line of ``status_code`` that is among these."""
    if OK in codes:
        return OK
    return next((min(found) for w in words if (found := codes_of(w) & codes)), min(codes))


def _one(twins: Twins, url: Node, lines: list[Node], code: int, fate: Fate, note: str) -> None:
    """Give a URL one line of ``status_code``, with one status."""
    for one in lines[:-1]:
        twins.drop(one, fate, note)
    if lines:
        twins.say(lines[-1], ["status_code", str(code)], fate, note)
    else:
        line(url, "status_code", str(code))
        twins.tell(url, fate, note)
