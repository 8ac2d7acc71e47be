"""Topology -> the files of an export, all of them."""

from __future__ import annotations

from lvslab.export.ansible import ansible_files
from lvslab.export.compose import compose_file
from lvslab.export.machines import checklist, director_files, real_server_files
from lvslab.export.model import ExportedFile, ExportError
from lvslab.plan.render import INTERFACE
from lvslab.topology.spec import TopologySpec


def export(
    spec: TopologySpec, *, dockerfile: str, interface: str = INTERFACE
) -> tuple[ExportedFile, ...]:
    """Return what real machines need to be this topology, a folder for each, and the rest.

    ``interface`` is what the machines call the one that carries the VIP; ``dockerfile`` makes
    the image of a node, for docker-compose.yaml, in which the interface is always eth0. Raises
    ExportError for what these files cannot say.
    """
    if spec.forwarding != "DR":
        raise ExportError(
            f"{spec.name} forwards by {spec.forwarding}, and only DR can be exported",
            fix="lvslab plan --files shows each keepalived.conf; docs/forwarding.md says what "
            "else the machines need",
        )
    files = [
        *(f for d in spec.directors for f in director_files(spec, d, interface)),
        *(f for r in spec.real_servers for f in real_server_files(spec, r, interface)),
        checklist(spec, interface),
        *ansible_files(spec),
        compose_file(spec, dockerfile),
    ]
    return tuple(sorted(files, key=lambda f: f.path))
