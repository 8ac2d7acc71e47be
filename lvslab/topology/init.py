"""Topologies to start from: the commented starter, and those that ship with lvslab."""

from __future__ import annotations

from pathlib import Path

from lvslab.resources import data_dir
from lvslab.topology.resolve import name_from

_STARTER = """\
# {name}: an LVS-DR lab. 'lvslab up' with this file starts it; every key is explained in
# docs/topology.md, and 'lvslab schema' prints the schema that editors use.

name: {quoted}

# The load balancers run keepalived. The first has VRRP priority 100 and holds the VIP,
# the second has 50 and takes over; a mapping sets more:
#   lvs1: {{address: 172.20.1.1, priority: 150}}
directors: [lvs1, lvs2]

# The web servers that answer. Addresses are assigned where none is given.
real_servers: [rs1, rs2]

# The address that clients use. It moves from director to director, so no node has it as
# its own.
vip: 172.20.1.100

# VRRP settings. Version 3 takes adverts down to 0.01 s, for a faster takeover; version 2
# counts whole seconds. 'preempt: false' leaves the VIP where it is when lvs1 comes back.
vrrp:
  version: 2
  advert_int: 1

# What is balanced, and how. Without this block: port 80, rr, a check by HTTP.
virtual_servers:
  - port: 80
    scheduler: rr # or wrr lc wlc lblc lblcr sh dh sed nq fo ovf mh
    forwarding: DR # or NAT, TUN: docs/forwarding.md compares them
    check: {{type: HTTP_GET, path: /, retry: 3}}

# Other things that can be set; what is here is the default.
# debian: trixie
# clients: [client]
# network: {{subnet: 172.20.0.0/16}}
"""


def starter(name: str) -> str:
    """Return the text of a commented topology called ``name`` (made fit to be a name)."""
    fit = name_from(name)
    # A name such as 1.5 or true would be read as something else than text.
    plain = fit[0].isalpha() and fit.casefold() not in ("true", "false", "null")
    return _STARTER.format(name=fit, quoted=fit if plain else f'"{fit}"')


def builtin(name: str) -> Path | None:
    """Return the file of a topology that ships with lvslab, or None when there is none."""
    known = builtins()
    return known.get(name)


def builtins() -> dict[str, Path]:
    """Return every topology that ships with lvslab, by name."""
    return {path.stem: path for path in sorted(data_dir("topologies").glob("*.yaml"))}
