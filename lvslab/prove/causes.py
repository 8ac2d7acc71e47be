"""What is wrong, in words, and the likely cause from what the node says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface

from lvslab.plan.forwarding import VIP_DEVICE as _HOME
from lvslab.prove.frames import Endpoint, Segment
from lvslab.prove.model import Break, NodeState, Setting
from lvslab.topology.spec import Forwarding

#: What each method is called in a sentence, and ipvsadm's flag for it (ipvsadm(8)).
NAMES: Mapping[Forwarding, str] = {"DR": "direct routing", "NAT": "NAT", "TUN": "a tunnel"}
_FLAG: Mapping[Forwarding, str] = {"DR": "-g", "NAT": "-m", "TUN": "-i"}
_IGNORE = "net.ipv4.conf.all.arp_ignore"
_ANNOUNCE = "net.ipv4.conf.all.arp_announce"


def nobody_answers(setting: Setting) -> Break:
    """No ARP answer for the VIP came."""
    what = f"nobody answers ARP for {setting.vip}"
    return Break("arp-none", setting.client, what, "no director holds the VIP: lvslab status")


def arp_flux(setting: Setting, node: str | None, mac: str) -> Break:
    """Somebody who is no director answers ARP for the VIP."""
    who = node or mac
    what = f"{who} answers ARP for {setting.vip} ({mac}), which only the director may"
    state = setting.states.get(node or "", NodeState())
    at = [
        i
        for i, cidr in state.addresses
        if _ip(cidr) == setting.vip and i not in ("lo", _HOME[setting.forwarding])
    ]
    home = _HOME[setting.forwarding]
    if at and home is None:
        fix = f"it has the VIP on {at[0]}, and with NAT no real server has it"
    elif at:
        fix = f"it has the VIP on {at[0]}: it belongs on {home}"
    elif state.sysctls.get(_IGNORE) == "0":
        fix = f"{_IGNORE} is 0: with 1 it answers for addresses of the asked interface only"
    else:
        fix = f"a real server has the VIP on {home or 'no interface'} alone, with arp_ignore 1"
    return Break("arp-flux", who, what, fix)


def two_directors(setting: Setting, directors: Sequence[str]) -> Break:
    """More than one director answers."""
    who = " and ".join(sorted(directors))
    what = f"{who} both answer ARP for {setting.vip}: two holders"
    return Break("arp-flux", sorted(directors)[-1], what, "a split brain: lvslab status")


def announces(setting: Setting, node: str) -> Break:
    """A real server asks by ARP with the VIP as its own address."""
    what = f"{node} asks by ARP as {setting.vip}: all who hear that take it for the VIP's owner"
    state = setting.states.get(node, NodeState())
    return Break("arp-flux", node, what, f"{_ANNOUNCE} is {state.sysctls.get(_ANNOUNCE, '?')}: 2")


def bypass(setting: Setting, node: str) -> Break:
    """The client sends to a real server's MAC address."""
    what = f"{setting.client} sends its requests to {node} itself, past the director"
    return Break("bypass", node, what, f"its ARP entry for {setting.vip} is that of {node}")


def stale(setting: Setting, node: str) -> Break:
    """The client sends to a director that does not answer ARP for the VIP any more."""
    what = f"{setting.client} sends its requests to {node}, which does not answer ARP for the VIP"
    return Break("stale-arp", setting.client, what, "a gratuitous ARP was lost")


def to_nobody(setting: Setting, mac: str, sender: str = "") -> Break:
    """A frame goes to a MAC address that it should not go to."""
    sender = sender or setting.client
    node = setting.macs.get(mac)
    whom = node or f"{mac}, which no node of the lab has"
    return Break("lost", sender, f"{sender} sends it to {whom}", "a stale ARP entry?")


def not_forwarded(setting: Setting, director: str, *, refused: bool) -> Break:
    """The director sent the request to no real server."""
    how = "refuses it (RST)" if refused else "drops it"
    what = f"{director} sends the request to no real server and {how}"
    fix = (
        f"does it hold the VIP, and has its table a real server for {setting.vip}:{setting.port}? "
        "lvslab status"
    )
    return Break("not-forwarded", director, what, fix)


def other_method(setting: Setting, director: str, how: Forwarding, seen: Segment) -> Break:
    """The director forwards in another way than it should."""
    wanted = setting.forwarding
    fix = f"lb_kind {wanted} in keepalived.conf (ipvsadm {_FLAG[wanted]})"
    if how == "TUN":
        what = (
            f"{director} sends the request in a tunnel to {seen.tunnel}: TUN, not {NAMES[wanted]}"
        )
        return Break("tunnel", director, what, fix)
    if how == "NAT":
        what = (
            f"{director} rewrites the destination to {_at(seen.target)}: NAT, not {NAMES[wanted]}"
        )
        return Break("nat", director, what, fix)
    what = f"{director} sends the request on as it is: DR, not {NAMES[wanted]}"
    return Break("direct", director, what, fix)


def meant_for_another(setting: Setting, director: str, server: str, seen: Segment) -> Break:
    """The frame goes to one real server, and the packet in it is another's."""
    whom = seen.tunnel or _at(seen.target)
    what = f"{director} sends {server} a packet for {whom}, which it does not have"
    fix = f"is {_at(setting.server(server))} in its table? lvslab ipvs"
    return Break("tunnel" if seen.tunnel else "nat", director, what, fix)


def not_as_vip(server: str, endpoint: Endpoint) -> Break:
    """A real server answers the client from another address than the VIP."""
    return Break("nat", server, f"{server} answers as {_at(endpoint)}, not as the VIP")


def gateway_apart(
    setting: Setting, routers: Sequence[str | None], holders: Sequence[str | None]
) -> Break:
    """The real servers' gateway is not where the VIP is."""
    have = " and ".join(sorted(n or "a stranger" for n in routers)) or "nobody"
    serve = " and ".join(sorted(n or "a stranger" for n in holders)) or "nobody"
    what = (
        f"{have} answers ARP for the real servers' gateway {setting.gateway}, {serve} for the VIP"
    )
    node = next((n for n in (*routers, *holders) if n), setting.client)
    return Break("answer-past-director", node, what, "one VRRP instance has to hold both")


def past_director(setting: Setting, server: str, whom: str, director: str) -> Break:
    """With NAT: the answer goes to somebody who knows nothing of its connection."""
    what = (
        f"{server} sends its answer to {whom}, and not through {director}, which has to rewrite it"
    )
    gateway = f", {setting.gateway}" if setting.gateway else ""
    return Break("answer-past-director", server, what, f"its default gateway{gateway}: ip route")


def answer_dropped(director: str, server: str) -> Break:
    """With NAT: the answer reached the director and ended there."""
    what = f"{director} has the answer of {server} and sends it to nobody"
    return Break("answer-dropped", director, what, "net.ipv4.ip_forward has to be 1: lvslab status")


def not_rewritten(director: str, endpoint: Endpoint) -> Break:
    """With NAT: the answer leaves the director from the real server's address."""
    what = f"{director} routes the answer as it is, from {_at(endpoint)}, not from the VIP"
    fix = "it has no such connection: did the request come through another director?"
    return Break("not-rewritten", director, what, fix)


def lost(node: str) -> Break:
    """A frame to a node is not in its capture."""
    return Break("lost", node, f"a frame that was sent to {node} did not arrive", "is its link up?")


def not_taken(setting: Setting, server: str, *, sent_on: bool) -> Break:
    """The request arrived at a real server, and no answer left it."""
    state = setting.states.get(server, NodeState())
    home = _HOME[setting.forwarding]
    arrived = f"the request arrived at {server}, and no answer left it"
    if home is None:
        fix = f"does somebody hold its gateway {setting.gateway}? does httpd run? lvslab status"
        return Break("no-answer", server, arrived, fix)
    wide = [
        cidr
        for interface, cidr in state.addresses
        if interface == "lo"
        and not cidr.startswith("127.")
        and IPv4Address(setting.client_address) in IPv4Interface(cidr).network
    ]
    if wide:
        what = (
            f"{server} takes the client's own address for one of its own, since {wide[0]} on lo "
            "makes that whole network local: no answer can leave it"
        )
        return Break("lo-mask", server, what, f"the VIP on lo is a /32: {setting.vip}/32")
    has = any(_ip(cidr) == setting.vip for _, cidr in state.addresses)
    if sent_on or (state.addresses and not has):
        how = "sends it on" if sent_on else "drops it"
        what = f"{server} does not take the request for its own and {how}"
        fix = f"it lacks the VIP: ip address add {setting.vip}/32 dev {home}"
        return Break("no-vip", server, what, "" if has else fix)
    fix = f"lvslab status; lvslab logs {server}"
    if home != "lo":
        fix = f"is {home} up, and rp_filter not 1? {fix}"
    return Break("no-answer", server, arrived, fix)


def refused(server: str) -> Break:
    """The real server's kernel refuses the connection."""
    what = f"{server} refuses the connection: nothing listens there"
    return Break("not-served", server, what, "does its web server run? lvslab status")


def via_director(director: str, server: str) -> Break:
    """The answer passes a director."""
    what = f"the answer of {server} goes through {director}: not directly to the client"
    return Break("answer-via-director", director, what, f"what is the way back of {server}?")


def unreached(server: str, requests: int, *, else_well: bool) -> Break:
    """No request came to a real server."""
    what = f"none of {requests} requests came to {server}"
    fix = (
        "is it in the table (lvslab ipvs)? a scheduler that hashes, and persistence, keep a "
        "client at one real server"
    )
    return Break("unreached", server, what, fix if else_well else "")


def _at(endpoint: Endpoint) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


def _ip(cidr: str) -> str:
    return cidr.partition("/")[0]
