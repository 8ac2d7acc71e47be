"""What forwarding by NAT needs of VRRP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Interface, IPv4Network

from lvslab.conf.models import Instance, View
from lvslab.conf.values import ipv4
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import WARNING, rule

#: The longest prefix that a network of real servers is taken to have: a VIP's says nothing of it.
_NETWORK = 24


@rule(
    "LVS114",
    WARNING,
    "lvs",
    "NAT whose gateway does not move with the VIP",
    why="With NAT every answer has to pass the director that has the connection, so it is the real "
    "servers' default gateway. An address of one director alone, or of another instance, stays "
    "where it was when the VIP moves: the requests arrive, and the answers go to the director "
    "that is down. Where the real servers are further away and their router sees to it, ignore it.",
    fix="Hold an address of the real servers' network in the instance that has the VIP, or in one "
    "of its vrrp_sync_group, and make it their default gateway.",
    source="http://www.linuxvirtualserver.org/VS-NAT.html; ip_vs_out() in ip_vs_core.c",
    bad="virtual_ipaddress {\n    172.20.1.100 dev eth0\n}",
    good="virtual_ipaddress {\n    172.20.1.100 dev eth0\n    10.0.0.254 dev eth1\n}",
)
def nat_gateway(node: Node) -> Iterator[Hit]:
    """Once a virtual server: at the first real server that no such address is near."""
    for vs in node.view.virtual_servers:
        holder = next(
            (i for i in node.view.instances if any(v.ip == vs.target for v in i.vips)), None
        )
        if holder is None or vs.of != "address":
            continue
        networks = _networks(_moving_with(node.view, holder))
        for rs in vs.real_servers:
            # Without a word on it, keepalived forwards by NAT.
            address = ipv4(rs.address)
            if rs.method not in ("NAT", "") or address is None:
                continue
            if not any(address in network for network in networks):
                said = f"no address near {rs.address} moves with the VIP {vs.target}"
                yield Hit(rs.node.arg_at(), said, "hold the real servers' gateway in the instance")
                break


def _moving_with(view: View, holder: Instance) -> list[Instance]:
    """Return the instances whose addresses move with those of one of them."""
    names = {holder.name}
    for group in view.sync_groups:
        if holder.name in group.members:
            names.update(group.members)
    return [i for i in view.instances if i.name in names]


def _networks(instances: Iterable[Instance]) -> list[IPv4Network]:
    held = (v.address for i in instances for v in i.vips)
    return [
        IPv4Network((a.ip, min(a.network.prefixlen, _NETWORK)), strict=False)
        for a in held
        if isinstance(a, IPv4Interface)
    ]
