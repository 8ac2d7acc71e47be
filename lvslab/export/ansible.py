"""The same files put in place by Ansible: an inventory and one playbook, core modules only."""

from __future__ import annotations

from typing import Any

import yaml

from lvslab.export.model import ExportedFile, exported, rendered
from lvslab.topology.spec import TopologySpec


def ansible_files(spec: TopologySpec) -> tuple[ExportedFile, ...]:
    """Return inventory.yaml and playbook.yaml, which take the files from the nodes' folders."""
    inventory: dict[str, Any] = {
        "all": {
            "children": {
                "directors": {
                    "hosts": {
                        d.name: {
                            "ansible_host": str(d.address),
                            **({"lvs_programs": [p for p, _ in d.files]} if d.files else {}),
                        }
                        for d in spec.directors
                    }
                },
                "real_servers": {
                    "hosts": {r.name: {"ansible_host": str(r.address)} for r in spec.real_servers}
                },
            }
        }
    }
    head = "# The machines, written by lvslab: ansible_host is where Ansible reaches them.\n"
    return (
        exported("inventory.yaml", head + yaml.safe_dump(inventory, sort_keys=False)),
        exported("playbook.yaml", rendered("playbook.yaml.j2", spec=spec)),
    )
