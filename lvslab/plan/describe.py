"""A plan as JSON-able data: for ``lvslab plan --json``, and for the digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lvslab.plan.model import FilePlan, NetworkPlan, NodePlan, Plan


def sha256(data: object) -> str:
    """Return the hex sha256 of JSON-able data in its canonical form (sorted keys, no spaces)."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def network_dict(network: NetworkPlan) -> dict[str, Any]:
    """Return what a network is, its labels left out."""
    return {
        "name": network.name,
        "subnet": str(network.subnet),
        "gateway": str(network.gateway),
        "reserved": {name: str(address) for name, address in network.reserved},
    }


def node_dict(node: NodePlan, *, files: bool = False) -> dict[str, Any]:
    """Return what a node is, its labels and digest left out.

    With ``files`` each file's text is there; without, its size and sha256.
    """
    return {
        "name": node.name,
        "role": node.role,
        "container": node.container,
        "hostname": node.hostname,
        "debian": node.debian,
        "interfaces": [{"network": i.network, "address": str(i.address)} for i in node.interfaces],
        "cap_add": list(node.cap_add),
        "sysctls": dict(node.sysctls),
        "command": list(node.command),
        "files": [_file_dict(file, content=files) for file in node.files],
    }


def plan_dict(plan: Plan, files: bool = False) -> dict[str, Any]:
    """Return a whole plan, labels and digests included, as JSON-able data."""
    return {
        "lab": plan.lab,
        "digest": plan.digest,
        "networks": [network_dict(n) | {"labels": dict(n.labels)} for n in plan.networks],
        "nodes": [
            node_dict(n, files=files) | {"labels": dict(n.labels), "digest": n.digest}
            for n in plan.nodes
        ],
    }


def _file_dict(file: FilePlan, *, content: bool) -> dict[str, Any]:
    known: dict[str, Any] = {
        "path": file.path,
        "mode": f"{file.mode:04o}",
        "size": len(file.content),
        "sha256": hashlib.sha256(file.content).hexdigest(),
    }
    if content:
        known["content"] = file.content.decode("utf-8", "replace")
    return known
