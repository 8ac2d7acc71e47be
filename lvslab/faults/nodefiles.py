"""What a fault changes in a node's files and packet filter, as the agent's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lvslab.faults.model import Operation, Part, Target
from lvslab.topology.spec import TopologySpec, VrrpInstanceSpec
from lvslab.topology.spoken import Language

# The plan is imported where it is needed: completion lists the faults, and must be quick.


def rewrite_keepalived(spec: TopologySpec, director: str) -> list[Operation]:
    """Return the operations that give a director the configuration of another topology."""
    from lvslab.plan.build import KEEPALIVED_CONF
    from lvslab.plan.render import keepalived_conf

    me = next(d for d in spec.directors if d.name == director)
    return [
        {"op": "write", "path": KEEPALIVED_CONF, "content": keepalived_conf(spec, me)},
        {"op": "service-reload", "name": "keepalived"},
    ]


def keepalived_back(target: Target) -> list[Operation]:
    """Return the operations that give a director its own configuration again."""
    from lvslab.plan.build import KEEPALIVED_CONF

    del target  # whichever it is
    return [
        {"op": "write-back", "path": KEEPALIVED_CONF},
        {"op": "service-reload", "name": "keepalived"},
    ]


def own_instances(target: Target) -> tuple[VrrpInstanceSpec, ...]:
    """Return the VRRP instances in which a director takes part."""
    instances = target.lab.vrrp_instances
    return tuple(i for i in instances if any(m.director == target.name for m in i.members))


def with_instances(
    target: Target, change: Callable[[VrrpInstanceSpec], VrrpInstanceSpec]
) -> TopologySpec:
    """Return the target's topology with the instances that it takes part in changed."""
    own = own_instances(target)
    changed = tuple(change(i) if i in own else i for i in target.lab.vrrp_instances)
    return replace(target.lab, vrrp_instances=changed)


def with_tracker(target: Target, track: str, block: str, body: tuple[str, ...]) -> TopologySpec:
    """Return the target's topology with its instances tracking what a block of one's own says.

    ``track`` is what the block's name stands in (``track_script``), ``block`` its keyword. It
    stands before the instances: keepalived knows only what has been defined.
    """
    tracks = f"\n{track} {{\n    lvslab\n}}\n"
    spec = with_instances(target, lambda instance: replace(instance, raw=instance.raw + tracks))
    lines = "".join(f"    {line}\n" for line in body)
    # Ends global_defs, whose own end then is this block's.
    ours = f"\n}}\n\n{block} lvslab {{\n{lines}"
    return replace(spec, global_raw=spec.global_raw + ours)


def rewrite_httpd(target: Target, more: str) -> list[Operation]:
    """Return the operations that add lines to a real server's httpd configuration.

    No path is an exception to what they say, as one can be that a check wants a status of.
    SIGUSR1 is Apache's graceful restart: its ports stay open, and nothing is refused.
    """
    from lvslab.plan.httpd import HTTPD_CONF, httpd_of

    me = next(r for r in target.lab.real_servers if r.name == target.name)
    content = httpd_of(target.lab, me).conf(odd=False) + "\n" + more
    return [
        {"op": "write", "path": HTTPD_CONF, "content": content},
        {"op": "service-reload", "name": "httpd", "signal": "USR1"},
    ]


def httpd_back(target: Target) -> list[Operation]:
    """Return the operations that give a real server its own httpd configuration again."""
    from lvslab.plan.httpd import HTTPD_CONF

    del target  # whichever it is
    return [
        {"op": "write-back", "path": HTTPD_CONF},
        {"op": "service-reload", "name": "httpd", "signal": "USR1"},
    ]


def no_web_server(target: Target) -> str | None:
    """Return why a real server's web server cannot be broken; None where there is one."""
    return _lacks(target, "HTTP", "has no web server")


def no_dns_server(target: Target) -> str | None:
    """Return why a real server's DNS server cannot be broken; None where there is one."""
    return _lacks(target, "DNS", "has no DNS server")


def no_udp_server(target: Target) -> str | None:
    """Return why what answers datagrams cannot be broken; None where there is something."""
    return _lacks(target, "UDP", "answers no plain datagrams")


def _lacks(target: Target, spoken: Language, what: str) -> str | None:
    from lvslab.plan.serving import datagrams_at, dns_at, httpd_ports

    at = {"HTTP": httpd_ports, "DNS": dns_at, "UDP": datagrams_at}
    found = {name: ports(target.lab, target.name) for name, ports in at.items()}
    if found[spoken]:
        return None
    other = [f"{name} at port {port}" for name, ports in found.items() for port in ports]
    return f"it {what}, only {', '.join(other)}" if other else "it serves nothing"


def services_of(target: Target, spoken: Language) -> tuple[str, ...]:
    """Return the services of a real server that speak so, as the agent has them."""
    from lvslab.plan.serving import UDP_SERVICE, dns_services

    if spoken == "DNS":
        return dns_services(target.lab, target.name)
    return ("httpd",) if spoken == "HTTP" else (UDP_SERVICE,)


def stopped(target: Target, spoken: Language) -> list[Operation]:
    """Return the operations that end what of a real server speaks so."""
    return [{"op": "service-stop", "name": name} for name in services_of(target, spoken)]


def started(target: Target, spoken: Language) -> list[Operation]:
    """Return the operations that undo :func:`stopped`."""
    return [{"op": "service-start", "name": name} for name in services_of(target, spoken)]


def hung(target: Target, spoken: Language) -> list[Operation]:
    """Return the operations that stop every process of what speaks so in its tracks (SIGSTOP)."""
    return [
        {
            "op": "kill",
            "name": name,
            "signal": "STOP",
            "who": "all",
            "touches": f"service:{name}",
        }
        for name in services_of(target, spoken)
    ]


def goes_on(target: Target, spoken: Language) -> list[Operation]:
    """Return the operations that undo :func:`hung`; one that has ended since is left alone."""
    return [
        {"op": "kill", "name": name, "signal": "CONT", "who": "all", "if_running": True}
        for name in services_of(target, spoken)
    ]


def no_vip(target: Target) -> str | None:
    """Return why a real server's VIP cannot be changed; None where it has one."""
    if own_vips(target):
        return None
    return "with NAT it has no VIP" if target.lab.forwarding == "NAT" else "it has no VIP"


def own_vips(target: Target) -> tuple[str, ...]:
    """Return the VIPs that a real server has, on :func:`vip_device`."""
    from lvslab.plan.forwarding import vips_of

    return tuple(map(str, vips_of(target.lab, target.name)))


def vip_device(target: Target) -> str:
    """Return where a real server has its VIPs: lo, or the tunnel; lo where it has none."""
    from lvslab.plan.forwarding import vip_device as of

    return of(target.lab) or "lo"


def netdev_table(table: str, dev: str, ingress: tuple[str, ...], egress: tuple[str, ...]) -> str:
    """Return nftables' text of a table that drops what matches, at the device itself.

    Netdev hooks, because keepalived sends its gratuitous ARP by AF_PACKET, which no output hook
    sees. What is dropped on its way out no tcpdump sees, what is dropped on its way in it does.
    """
    text = f"table netdev {table} {{\n"
    for name, rules in (("ingress", ingress), ("egress", egress)):
        text += f"  chain {name} {{\n"
        text += f'    type filter hook {name} device "{dev}" priority 0;\n'
        text += "".join(f"    {rule} drop\n" for rule in rules) + "  }\n"
    return text + "}"


def no_table(table: str) -> str:
    """Return nftables' text that removes a :func:`netdev_table`, if it is there."""
    # Adding it first makes the deletion of what is not there no mistake.
    return f"add table netdev {table}; delete table netdev {table}"


def drop(table: str, dev: str, ingress: tuple[str, ...], egress: tuple[str, ...]) -> Operation:
    """Return the operation that adds a :func:`netdev_table` in the node."""
    text = netdev_table(table, dev, ingress, egress)
    return {"op": "run", "argv": ["nft", text], "touches": f"nft:{table}"}


def drop_no_more(table: str) -> Operation:
    """Return the operation that removes what :func:`drop` made; safe where there is nothing."""
    return {"op": "run", "argv": ["nft", no_table(table)], "touches": f"nft:{table}"}


#: Says by gratuitous ARP (RFC 5227 section 3) that this node has an address, if it has: VIP DEV.
_ANNOUNCE = r"""
import socket, subprocess, sys
vip, dev = sys.argv[1:]
had = subprocess.check_output(["ip", "-4", "-o", "addr", "show", "dev", dev])
if f" {vip}/".encode() in had:
    mac = bytes.fromhex(open(f"/sys/class/net/{dev}/address").read().strip().replace(":", ""))
    ip = socket.inet_aton(vip)
    frame = b"\xff" * 6 + mac + bytes.fromhex("0806000108000604" "0001") + mac + ip + bytes(6) + ip
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((dev, 0x0806))
        s.send(frame)
"""


def announce(vip: str, dev: str) -> Operation:
    """Return the operation that announces an address, in a node that has it on the interface."""
    return {"op": "run", "argv": ["python3", "-c", _ANNOUNCE, vip, dev]}


def announced_anew(target: Target) -> list[Part]:
    """Return what has the directors say, when it is healed, which of them has the VIPs."""
    again = [announce(vip, target.interface) for vip in own_vips(target)]
    return [Part(d.name, [], again) for d in target.lab.directors]


def tc(target: Target, *words: str) -> Operation:
    """Return the operation that runs tc (tc(8)) on the target's interface, by its words."""
    argv = ["tc", *words[:2], "dev", target.interface, *words[2:]]
    return {"op": "run", "argv": argv, "touches": f"qdisc:{target.interface}"}


def queue_of(target: Target, queue: list[str], *matches: list[str]) -> list[Operation]:
    """Return the operations that put what matches into a queue; the rest is sent as before."""
    # Everything goes through the first band, what matches through the last.
    bands = ["handle", "1:", "prio", "bands", "4", "priomap", *["0"] * 16]
    return [
        tc(target, "qdisc", "add", "root", *bands),
        tc(target, "qdisc", "add", "parent", "1:4", *queue),
        *(tc(target, "filter", "add", "parent", "1:", *m, "flowid", "1:4") for m in matches),
    ]


def no_queue(target: Target) -> list[Operation]:
    """Return the operations that give the interface its own queue again; safe to do twice."""
    # Replaced first: the deletion of what is not there would be a mistake.
    return [tc(target, "qdisc", "replace", "root", "pfifo"), tc(target, "qdisc", "del", "root")]
