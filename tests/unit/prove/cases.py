"""Captures of a real lab (lvs-dr on the embedded engine), healthy and broken by hand.

Each was made by ``lvslab prove dr -n 4 -w FOLDER`` after the commands beside it, and is read as
that command wrote it: a pcap for each node, and setting.json.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from lvslab.prove.frames import Frame
from lvslab.prove.judge import read
from lvslab.prove.model import Setting

FOLDER = Path(__file__).parent / "recorded"

#: What was done before: node, command. VIP is 172.20.1.100, rs1 172.20.1.10.
MADE: dict[str, tuple[str, ...]] = {
    "healthy": (),
    "no-vip": ("rs1: ip addr del VIP/32 dev lo",),
    "lo-mask": ("rs1: ip addr del VIP/32 dev lo", "rs1: ip addr add VIP/16 dev lo"),
    "nat": ("lvs1: ipvsadm -e -t VIP:80 -r RS1:80 -m",),
    "nat-served": (
        "lvs1: ipvsadm -e -t VIP:80 -r RS1:80 -m",
        "rs1: ip route add CLIENT/32 via LVS1",
    ),
    "tunnel": ("lvs1: ipvsadm -e -t VIP:80 -r RS1:80 -i",),
    "arp-flux": ("rs1: ip addr add VIP/32 dev eth0",),
    "two-holders": ("lvs2: ip addr add VIP/32 dev eth0",),
    "no-holder": ("lvs1: pkill keepalived", "lvs2: pkill keepalived"),
    "empty-table": ("lvs1: ipvsadm -C",),
    "via-director": ("rs1: ip route add CLIENT/32 via LVS1",),
    "httpd-stopped": ("rs1: pkill apache2",),
}


def pcaps(case: str) -> dict[str, bytes]:
    """Return each node's pcap."""
    with zipfile.ZipFile(FOLDER / f"{case}.zip") as file:
        names = [name for name in file.namelist() if name.endswith(".pcap")]
        return {name.removesuffix(".pcap"): file.read(name) for name in names}


def load(case: str) -> tuple[Setting, dict[str, list[Frame]]]:
    """Return a case as the judge takes it."""
    with zipfile.ZipFile(FOLDER / f"{case}.zip") as file:
        data = json.loads(file.read("setting.json"))
    return Setting.from_json(data), read(pcaps(case))
