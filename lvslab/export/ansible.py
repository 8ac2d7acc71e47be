"""The same files put in place by Ansible: an inventory and one playbook, core modules only."""

from __future__ import annotations

from typing import Any

import yaml

from lvslab.export.interfaces import MANAGERS, SUBJECT
from lvslab.export.machines import real_server_modules, real_server_sysctl_file
from lvslab.export.model import ExportedFile, Links, exported, rendered
from lvslab.topology.spec import TopologySpec

_HEAD = "# The machines, written by lvslab: ansible_host is where Ansible reaches them.\n"
#: With NAT real servers are behind the directors, which know the way before keepalived runs.
_BEHIND = """\
# Real servers are in a network of their own, behind the directors: ProxyJump goes through one.
# Where Ansible runs in that network, take the line out.
"""


def ansible_files(spec: TopologySpec, links: Links) -> tuple[ExportedFile, ...]:
    """Return inventory.yaml and playbook.yaml, which take the files from the nodes' folders."""
    jump = f"-o ProxyJump={spec.directors[0].address}"
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
                    "hosts": {r.name: {"ansible_host": str(r.address)} for r in spec.real_servers},
                    **({"vars": {"ansible_ssh_common_args": jump}} if spec.inside else {}),
                },
            }
        }
    }
    head = _HEAD + (_BEHIND if spec.inside else "")
    playbook = rendered(
        "playbook.yaml.j2",
        spec=spec,
        links=links,
        subject=SUBJECT[spec.forwarding],
        managers=MANAGERS,
        modules=real_server_modules(spec),
        sysctl_file=real_server_sysctl_file(spec),
    )
    return (
        exported("inventory.yaml", head + yaml.safe_dump(inventory, sort_keys=False)),
        exported("playbook.yaml", playbook),
    )
