"""``lvslab status`` and ``lvslab ipvs``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.verb import LAB, LOOK, verb

if TYPE_CHECKING:
    from lvslab.lab.status import LabStatus, NodeStatus, RealServerStatus


@verb(panel=LAB, json=True, order=20)
def status(s: Session) -> int:
    """Show what every node is doing; ends with 1 if the lab is not healthy."""
    from lvslab.lab import lab_status

    with opened(s) as lab, s.progress.step(f"asking the nodes of {lab.name}"):
        found = lab_status(lab)
    s.out.data(found.as_dict())
    _directors(s, found)
    _real_servers(s, found)
    _clients(s, found)
    faulty = [n.name for n in (*found.directors, *found.real_servers) if n.faults]
    if found.healthy:
        s.out.text(f"lab [bold]{found.lab}[/] is [green]healthy[/]")
        s.out.next("lvslab curl -n 10", f"lvslab fail {found.directors[0].name}")
    else:
        s.out.text(f"lab [bold]{found.lab}[/] is [red]not healthy[/]")
        s.out.table((), ((f"  {reason}",) for reason in found.reasons))
        s.out.next(*(f"lvslab heal {n}" for n in faulty[:1]), "lvslab heal", "lvslab up")
    return 0 if found.healthy else 1


@verb(panel=LOOK, json=True, order=50)
def ipvs(s: Session) -> None:
    """Show the IPVS table of each director."""
    from lvslab.lab import lab_status

    with opened(s) as lab, s.progress.step("asking the directors"):
        found = lab_status(lab)
    s.out.data({d.name: {"holds": d.holds, "ipvs": d.ipvs} for d in found.directors})
    rows = (row for d in found.directors for row in _table(d.name, d.ipvs))
    s.out.table(
        ("DIRECTOR", "VIRTUAL SERVER", "BY", "REAL SERVER", "HOW", "WEIGHT", "ACTIVE", "INACTIVE"),
        rows,
    )
    s.out.next("lvslab status", "lvslab curl -n 10")


def _table(director: str, table: Iterable[Mapping[str, Any]]) -> Iterable[tuple[object, ...]]:
    empty = True
    for vs in table:
        empty = False
        key = f"{vs['protocol']} {vs['vip']}:{vs['port']}"
        if not vs["servers"]:
            yield director, key, vs["scheduler"], "none", None, None, None, None
        for one in vs["servers"]:
            where = f"{one['address']}:{one['port']}"
            counts = one["weight"], one["active"], one["inactive"]
            yield director, key, vs["scheduler"], where, one["forward"], *counts
    if empty:
        yield director, "empty", None, None, None, None, None, None


def _common(node: NodeStatus) -> tuple[object, ...]:
    links = [f"{n} {'up' if link.get('up') else 'DOWN'}" for n, link in node.links.items()]
    services = [
        f"{n} {'running' if one.get('running') else 'STOPPED'}" for n, one in node.services.items()
    ]
    state = node.state if node.state != "running" else links
    return node.name, node.address, node.problem or state, services, node.faults


def _directors(s: Session, found: LabStatus) -> None:
    rows = (
        (
            *_common(d),
            [f"{name} {one.get('state')}" for name, one in d.vrrp.items()],
            d.holds,
            [
                f"{vs['vip']}:{vs['port']} -> "
                + (
                    ", ".join(
                        f"{r['address']} w{r['weight']} {r['active']}/{r['inactive']}"
                        for r in vs["servers"]
                    )
                    or "nothing"
                )
                for vs in d.ipvs
            ],
        )
        for d in found.directors
    )
    s.out.table(("DIRECTOR", "ADDRESS", "LINK", "SERVICE", "FAULTS", "VRRP", "HOLDS", "IPVS"), rows)


#: What a real server must have for each forwarding method.
_HAS = {"DR": "VIP ON LO", "TUN": "VIP ON TUNL0", "NAT": "GATEWAY"}


def _gateway(known: Mapping[str, Any]) -> str:
    """Return whom a real server takes for its gateway; it knows nobody before it has answered."""
    return f"{known['address']} is {known['node'] or known['mac'] or '?'}"


def _http(server: RealServerStatus) -> str | None:
    """Return what became of a request to a real server's httpd; None where it has none."""
    if server.services and "httpd" not in server.services:
        return None
    return "ok" if server.http.get("ok") else server.http.get("detail") or "no answer"


def _real_servers(s: Session, found: LabStatus) -> None:
    rows = (
        (
            *_common(r),
            _http(r),
            _gateway(r.gateway) if r.gateway else r.vips,
            [f"{key.rpartition('.')[2]}={value}" for key, value in r.sysctls.items()],
            [entry.split(" ")[0] for entry in r.listed_in],
        )
        for r in found.real_servers
    )
    s.out.table(
        (
            "REAL SERVER",
            "ADDRESS",
            "LINK",
            "SERVICE",
            "FAULTS",
            "HTTP",
            _HAS[found.forwarding],
            "SYSCTLS",
            "LISTED BY",
        ),
        rows,
    )


def _clients(s: Session, found: LabStatus) -> None:
    rows = (
        (
            c.name,
            c.address,
            c.problem or c.state,
            [f"{vip} is {one.get('node') or one.get('mac') or '?'}" for vip, one in c.arp.items()],
        )
        for c in found.clients
    )
    s.out.table(("CLIENT", "ADDRESS", "STATE", "ARP"), rows)
