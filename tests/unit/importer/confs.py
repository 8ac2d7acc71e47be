"""Parts of keepalived.conf, and what became of them in the lab."""

from __future__ import annotations

from ipaddress import IPv4Network

from lvslab.conf import load_text
from lvslab.importer import Imported, Source, import_confs
from lvslab.plan import render


def lab(*texts: str, subnet: str | None = None) -> Imported:
    """Import directors lvs1, lvs2, ... of these files."""
    sources = [Source(f"lvs{i}", load_text(t, f"lvs{i}")) for i, t in enumerate(texts, 1)]
    return import_confs(sources, name="x", subnet=IPv4Network(subnet) if subnet else None)


def fate(made: Imported, text: str, node: str = "lvs1") -> tuple[str, str]:
    """What became of the only line that begins so."""
    (found,) = (e for e in made.entries if e.node == node and e.text.startswith(text))
    return found.fate.value, found.note


def conf(made: Imported, index: int = 0) -> str:
    """What that director of the lab is given."""
    return render.keepalived_conf(made.spec, made.spec.directors[index], watched=False)


def instance(name: str = "VI", more: str = "", vips: str = "10.0.0.100", vrid: int = 51) -> str:
    return (
        f"vrrp_instance {name} {{\n interface eth1\n virtual_router_id {vrid}\n {more}\n"
        f" virtual_ipaddress {{\n {vips}\n }}\n}}\n"
    )


def server(
    checks: str, *, port: str = "80", protocol: str = "TCP", head: str = "lb_kind DR"
) -> str:
    return (
        f"virtual_server 10.0.0.100 {port} {{\n {head}\n protocol {protocol}\n"
        f" real_server 10.0.0.11 {port} {{\n {checks}\n }}\n}}\n"
    )
