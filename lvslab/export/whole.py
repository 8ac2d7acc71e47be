"""Topology -> the files of an export, all of them."""

from __future__ import annotations

from lvslab.export.ansible import ansible_files
from lvslab.export.compose import compose_file
from lvslab.export.machines import checklist, director_files, real_server_files
from lvslab.export.model import ExportedFile, ExportError, Links
from lvslab.plan.render import INSIDE_INTERFACE, INTERFACE
from lvslab.topology.spec import TopologySpec


def export(
    spec: TopologySpec,
    *,
    dockerfile: str,
    interface: str = INTERFACE,
    inside_interface: str | None = None,
) -> tuple[ExportedFile, ...]:
    """Return what real machines need to be this topology, a folder for each, and the rest.

    ``interface`` is what the machines call the one that carries the VIP, and with NAT the real
    servers call theirs; ``inside_interface`` what the directors call theirs to the real servers,
    with NAT only (None: eth1). ``dockerfile`` makes the image of a node, for docker-compose.yaml,
    in which the interfaces are always eth0 and eth1. Raises ExportError for interfaces that such
    machines do not have.
    """
    if inside_interface is not None and spec.inside is None:
        raise ExportError(
            f"{spec.name} forwards by {spec.forwarding}: no director has an inside interface",
            where=f"inside interface {inside_interface}",
            fix="leave it out, or export a topology that forwards by NAT",
        )
    links = Links(interface, inside_interface or INSIDE_INTERFACE)
    if spec.inside is not None and links.first == links.inside:
        raise ExportError(
            f"{links.first} would be the directors' interface to clients and to real servers",
            where=f"inside interface {links.inside}",
            fix="with NAT a director has two: name the other one with --inside-interface",
        )
    files = [
        *(f for d in spec.directors for f in director_files(spec, d, links)),
        *(f for r in spec.real_servers for f in real_server_files(spec, r, links)),
        checklist(spec, links),
        *ansible_files(spec, links),
        compose_file(spec, dockerfile),
    ]
    return tuple(sorted(files, key=lambda f: f.path))
