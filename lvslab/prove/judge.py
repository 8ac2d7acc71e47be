"""Is this direct routing, NAT, a tunnel? Frames that the nodes saw go in, a proof comes out. Pure.

In LVS-DR the client's frame reaches the director because only it answers ARP for the VIP. The
director sends the packet on unchanged, in a frame to the real server's MAC address; the real
server takes it for its own because it has the VIP on lo, and answers the client directly, from
the VIP (http://www.linuxvirtualserver.org/VS-DRouting.html). The first half is the same for every
forwarding method; what follows is in lvslab.prove.flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from lvslab.prove import causes, pcap
from lvslab.prove.flow import Captures, Flow, once
from lvslab.prove.frames import REPLY, REQUEST, SYN, Frame, frame
from lvslab.prove.model import Break, Path, Proof, ServerProof, Setting

#: Between a node's name and that of an interface that is not its first, in a capture's name.
AT = "@"


def read(pcaps: Mapping[str, bytes]) -> dict[str, list[Frame]]:
    """Return the frames of each capture. Raises PcapError."""
    return {
        name: [frame(t, raw) for t, raw in pcap.read(data, name)] for name, data in pcaps.items()
    }


def judge(setting: Setting, recorded: Captures) -> Proof:
    """Return what the captures prove: one of each node, by its name, or ``NODE@INTERFACE``."""
    unfinished = [_unfinished(setting, name) for name in _incomplete(setting, recorded)]
    captures = _by_node(recorded)
    answers, arp = _arp(setting, captures)
    behind, apart = _gateway(setting, captures, answers)
    ports = dict.fromkeys(
        f.tcp.source[1]
        for f in captures.get(setting.client, ())
        if f.tcp
        and f.tcp.flags & SYN
        and setting.macs.get(f.source_mac) == setting.client
        and f.tcp.source[0] == setting.client_address
        and f.tcp.target == (setting.vip, setting.port)
    )
    holders = {node for node in answers.values() if node is not None}
    paths = [Flow(setting, captures, port, holders).path() for port in ports]
    servers = tuple(_server(name, setting, paths) for name in setting.servers)
    breaks = chain(
        unfinished,
        arp,
        apart,
        *(p.breaks for p in paths),
        *(s.breaks for s in servers),
    )
    return Proof(
        setting.vip,
        setting.port,
        setting.client,
        answers,
        servers,
        once(breaks),
        len(paths),
        setting.forwarding,
        setting.gateway,
        behind,
    )


def _by_node(recorded: Captures) -> dict[str, list[Frame]]:
    """Return what each node saw, on whichever interface, in order."""
    seen: dict[str, list[Frame]] = {}
    for name, frames in recorded.items():
        seen.setdefault(name.partition(AT)[0], []).extend(frames)
    return {node: sorted(frames, key=lambda f: f.t) for node, frames in seen.items()}


def _server(name: str, setting: Setting, paths: Sequence[Path]) -> ServerProof:
    mine = [p for p in paths if p.server == name]
    good = [p for p in mine if p.served and not p.breaks]
    breaks = list(once(chain.from_iterable(p.breaks for p in mine)))
    if not mine:
        breaks.append(
            causes.unreached(name, len(paths), else_well=not any(p.breaks for p in paths))
        )
    return ServerProof(
        name,
        setting.servers[name],
        bool(good) and not breaks,
        len(good),
        len(mine),
        next(iter(good or mine), None),
        tuple(breaks),
    )


def _incomplete(setting: Setting, captures: Captures) -> list[str]:
    """Return the captures that do not have the last broadcast."""
    if not setting.last_mark:
        return []
    wanted = setting.last_mark
    return [
        node
        for node, frames in captures.items()
        if not any(f.arp and f.arp.opcode == REQUEST and _bare(f) == wanted for f in frames)
    ]


def _bare(frame: Frame) -> str:
    return frame.arp.target_mac.replace(":", "") if frame.arp else ""


def _unfinished(setting: Setting, name: str) -> Break:
    node, _, interface = name.partition(AT)
    where = f"its capture of {interface}" if interface else "its capture"
    what = f"the last broadcast of {setting.client} is not in {where}: it may not be whole"
    return Break("not-recorded", node, what, "is its link up (lvslab status)? prove it again")


def _gateway(
    setting: Setting, captures: Captures, holders: Mapping[str, str | None]
) -> tuple[dict[str, str | None], list[Break]]:
    """Return who answered ARP for the real servers' gateway, and what is wrong with that."""
    if not setting.gateway or setting.forwarding != "NAT":
        return {}, []
    frames = [f for server in setting.servers for f in captures.get(server, ())]
    answers = _answers(setting, frames, setting.gateway)
    asked = any(
        f.arp and f.arp.opcode == REQUEST and f.arp.target == setting.gateway for f in frames
    )
    if not asked or set(answers.values()) == set(holders.values()):
        return answers, []
    return answers, [causes.gateway_apart(setting, list(answers.values()), list(holders.values()))]


def _answers(setting: Setting, frames: Iterable[Frame], address: str) -> dict[str, str | None]:
    return {
        f.arp.sender_mac: setting.macs.get(f.arp.sender_mac)
        for f in frames
        if f.arp and f.arp.opcode == REPLY and f.arp.sender == address
    }


def _arp(setting: Setting, captures: Captures) -> tuple[dict[str, str | None], list[Break]]:
    """Return who answered ARP for the VIP, and what is wrong with that."""
    frames = captures.get(setting.client, ())
    asked = [
        f.t
        for f in frames
        if f.arp and f.arp.opcode == REQUEST and f.arp.target == setting.vip and f.source_mac
    ]
    answers = _answers(setting, frames, setting.vip)
    if not asked:
        return answers, []
    breaks = []
    for mac, node in answers.items():
        if node not in setting.directors:
            breaks.append(causes.arp_flux(setting, node, mac))
    directors = [node for node in answers.values() if node and node in setting.directors]
    if len(directors) > 1:
        breaks.append(causes.two_directors(setting, directors))
    # Whoever asks with the VIP for its own address puts it into the caches of all who hear.
    for node, seen in captures.items():
        for f in seen:
            if f.arp and f.arp.sender == setting.vip and f.arp.opcode == REQUEST:
                owner = setting.macs.get(f.arp.sender_mac)
                if owner == node and owner in setting.servers:
                    breaks.append(causes.announces(setting, node))
    if not answers:
        breaks.append(causes.nobody_answers(setting))
    return answers, breaks
