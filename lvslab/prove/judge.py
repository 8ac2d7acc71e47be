"""Is this direct routing? Frames that the nodes saw go in, a proof comes out. Pure.

In LVS-DR the client's frame reaches the director because only it answers ARP for the VIP. The
director sends the packet on unchanged, in a frame to the real server's MAC address; the real
server takes it for its own because it has the VIP on lo, and answers the client directly, from
the VIP (http://www.linuxvirtualserver.org/VS-DRouting.html). A request is told from others by
the client's port, which no forwarding method of IPVS changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from lvslab.prove import causes, pcap
from lvslab.prove.frames import BROADCAST, REPLY, REQUEST, RST, SYN, Frame, frame
from lvslab.prove.model import Break, Hop, Path, Proof, ServerProof, Setting

Captures = Mapping[str, Sequence[Frame]]


def read(pcaps: Mapping[str, bytes]) -> dict[str, list[Frame]]:
    """Return the frames of each node's pcap. Raises PcapError."""
    return {
        node: [frame(t, raw) for t, raw in pcap.read(data, node)] for node, data in pcaps.items()
    }


def judge(setting: Setting, captures: Captures) -> Proof:
    """Return what the captures of all nodes (by name) prove."""
    unfinished = [_unfinished(setting, node) for node in _incomplete(setting, captures)]
    answers, arp = _arp(setting, captures)
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
    paths = [_Flow(setting, captures, port, holders).path() for port in ports]
    servers = tuple(_server(name, setting, paths) for name in setting.servers)
    breaks = chain(
        unfinished,
        arp,
        *(p.breaks for p in paths),
        *(s.breaks for s in servers),
    )
    return Proof(
        setting.vip,
        setting.port,
        setting.client,
        answers,
        servers,
        _once(breaks),
        len(paths),
    )


def _once(breaks: Iterable[Break]) -> tuple[Break, ...]:
    found: dict[tuple[str, str], Break] = {}
    for one in breaks:
        found.setdefault((one.kind, one.node), one)
    return tuple(found.values())


def _server(name: str, setting: Setting, paths: Sequence[Path]) -> ServerProof:
    mine = [p for p in paths if p.server == name]
    good = [p for p in mine if p.served and not p.breaks]
    breaks = list(_once(chain.from_iterable(p.breaks for p in mine)))
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
    """Return the nodes whose capture does not have the last broadcast."""
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


def _unfinished(setting: Setting, node: str) -> Break:
    what = f"the last broadcast of {setting.client} is not in its capture: it may not be whole"
    return Break("not-recorded", node, what, "is its link up (lvslab status)? prove it again")


def _arp(setting: Setting, captures: Captures) -> tuple[dict[str, str | None], list[Break]]:
    """Return who answered ARP for the VIP, and what is wrong with that."""
    frames = captures.get(setting.client, ())
    asked = [
        f.t
        for f in frames
        if f.arp and f.arp.opcode == REQUEST and f.arp.target == setting.vip and f.source_mac
    ]
    answers: dict[str, str | None] = {
        f.arp.sender_mac: setting.macs.get(f.arp.sender_mac)
        for f in frames
        if f.arp and f.arp.opcode == REPLY and f.arp.sender == setting.vip
    }
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


class _Flow:
    """All frames of one of the client's connections, wherever they were seen."""

    def __init__(
        self, setting: Setting, captures: Captures, port: int, holders: Collection[str]
    ) -> None:
        self._is = setting
        #: The nodes that answered ARP for the VIP.
        self._holders = holders
        self._client = (setting.client_address, port)
        self._vip = (setting.vip, setting.port)
        self._there: dict[str, list[Frame]] = {}
        self._back: dict[str, list[Frame]] = {}
        # A node that is off, or its link down, was not captured: it saw nothing.
        for node in (setting.client, *setting.directors, *setting.servers):
            frames = captures.get(node, ())
            self._there[node] = [f for f in frames if f.tcp and f.tcp.source == self._client]
            self._back[node] = [f for f in frames if f.tcp and f.tcp.target == self._client]
        self._hops: list[Hop] = []
        self._breaks: list[Break] = []
        self._began = 0.0

    def path(self) -> Path:
        """Follow the request and its answer, as far as they got."""
        client = self._is.client
        first = self._sent(self._there[client], client)[0]
        self._began = first.t
        node = self._hop(client, first) or ""
        server = None
        if node in self._is.servers:
            self._breaks.append(causes.bypass(self._is, node))
            server = node
        elif node in self._is.directors:
            if self._holders and node not in self._holders:
                self._breaks.append(causes.stale(self._is, node))
            server = self._forwarded(node)
        else:
            self._breaks.append(causes.to_nobody(self._is, first.target_mac))
        if server is not None:
            self._answered(server)
        served = any(
            f.tcp and f.tcp.payload and f.tcp.source == self._vip
            for f in self._received(self._back[client], client)
        )
        if not served and not self._breaks:
            what = "the connection was made, and no page came"
            self._breaks.append(Break("not-served", server or client, what, "lvslab logs"))
        return Path(self._client[1], tuple(self._hops), server, served, _once(self._breaks))

    def _forwarded(self, director: str) -> str | None:
        """Follow the request through a director; return the real server that it was sent to."""
        sent = self._sent(self._there[director], director)
        if not sent:
            back = self._sent(self._back[director], director)
            refused = any(f.tcp and f.tcp.flags & RST for f in back)
            self._breaks.append(causes.not_forwarded(self._is, director, refused=refused))
            return None
        frame = sent[0]
        if frame.tcp is None:
            return None
        if frame.tcp.tunnel is not None:
            self._breaks.append(causes.tunnel(director, frame.tcp.tunnel))
        elif frame.tcp.target != self._vip:
            self._breaks.append(causes.nat(self._is, director, frame.tcp.target))
        tunnel = f"in a tunnel to {frame.tcp.tunnel}" if frame.tcp.tunnel else ""
        node = self._hop(director, frame, tunnel) or ""
        if node not in self._is.servers:
            self._breaks.append(causes.to_nobody(self._is, frame.target_mac, director))
            return None
        return node

    def _answered(self, server: str) -> None:
        """Follow the answer from a real server to the client."""
        client = self._is.client
        came = self._received(self._there[server], server)
        answers = self._sent(self._back[server], server)
        if not came:
            self._breaks.append(causes.lost(server))
            return
        if not answers:
            on = self._sent(self._there[server], server)
            if on:
                self._hop(server, on[0], "sent on, not taken")
            if not self._breaks:  # else it was no request that it could take
                self._breaks.append(causes.not_taken(self._is, server, sent_on=bool(on)))
            return
        answer = answers[0]
        refused = answer.tcp is not None and bool(answer.tcp.flags & RST)
        node = self._hop(server, answer, "refused (RST)" if refused else "") or ""
        if node in self._is.directors:
            onward = self._sent(self._back[node], node)
            if onward:
                self._hop(node, onward[0])
            self._breaks.append(causes.via_director(node, server))
        elif node != client:
            self._breaks.append(causes.to_nobody(self._is, answer.target_mac, server))
        elif answer.tcp is not None and answer.tcp.source != self._vip:
            if not any(b.kind == "nat" for b in self._breaks):
                self._breaks.append(causes.nat(self._is, server, answer.tcp.source))
        elif refused:
            self._breaks.append(causes.refused(server))
        elif any(self._mine(f, d) for d in self._is.directors for f in self._back[d]):
            passed = next(
                d for d in self._is.directors if any(self._mine(f, d) for f in self._back[d])
            )
            self._breaks.append(causes.via_director(passed, server))

    def _hop(self, sender: str, frame: Frame, note: str = "") -> str | None:
        """Note a hop and return the node that it goes to."""
        receiver = self._is.macs.get(frame.target_mac)
        segment = frame.tcp
        if segment is None:
            return receiver
        seen = [*self._there.get(receiver or "", ()), *self._back.get(receiver or "", ())]
        arrived = any(
            f.tcp == segment and f.source_mac == frame.source_mac and f.target_mac != BROADCAST
            for f in seen
        )
        if receiver is not None and not arrived:
            self._breaks.append(causes.lost(receiver))
        self._hops.append(
            Hop(
                sender,
                receiver or frame.target_mac,
                frame.source_mac,
                frame.target_mac,
                segment.source,
                segment.target,
                frame.t - self._began,
                arrived,
                note,
            )
        )
        return receiver

    def _sent(self, frames: Iterable[Frame], node: str) -> list[Frame]:
        return [f for f in frames if self._is.macs.get(f.source_mac) == node]

    def _received(self, frames: Iterable[Frame], node: str) -> list[Frame]:
        # A bridge that has not learnt an address yet shows frames to all: those are not for us.
        return [f for f in frames if self._is.macs.get(f.target_mac) == node]

    def _mine(self, frame: Frame, node: str) -> bool:
        return node in (
            self._is.macs.get(frame.source_mac),
            self._is.macs.get(frame.target_mac),
        )
