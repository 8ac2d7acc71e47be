"""One connection, followed from frame to frame: is it forwarded as it should be? Pure.

DR: the packet goes on unchanged, in a frame to the real server. TUN: it goes on whole, in an IPIP
packet to the real server. Both times the real server has the VIP, and answers the client itself.
NAT: the destination becomes the real server, the answer comes back to the same director, and its
source becomes the VIP again. No method changes the client's port, which tells one request from
another (http://www.linuxvirtualserver.org/how.html).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from lvslab.prove import causes
from lvslab.prove.frames import BROADCAST, RST, Frame, Segment
from lvslab.prove.model import Break, Hop, Path, Setting
from lvslab.topology.spec import Forwarding

Captures = Mapping[str, Sequence[Frame]]


def once(breaks: Iterable[Break]) -> tuple[Break, ...]:
    """Return each break once, the first of its kind at a node."""
    found: dict[tuple[str, str], Break] = {}
    for one in breaks:
        found.setdefault((one.kind, one.node), one)
    return tuple(found.values())


class Flow:
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
            self._answered(server, node if node in self._is.directors else None)
        served = any(
            f.tcp and f.tcp.payload and f.tcp.source == self._vip and f.t >= self._asked()
            for f in self._received(self._back[client], client)
        )
        if not served and not self._breaks:
            what = "the connection was made, and no page came"
            self._breaks.append(Break("not-served", server or client, what, "lvslab logs"))
        return Path(self._client[1], tuple(self._hops), server, served, once(self._breaks))

    def _asked(self) -> float:
        """Return from when on what comes from the VIP is an answer to the request.

        Over TLS the client speaks twice: what follows its first words is the handshake alone (RFC
        8446, section 2). The page itself cannot be told from what else is encrypted.
        """
        if not self._is.tls:
            return self._began
        client = self._is.client
        said = [f.t for f in self._sent(self._there[client], client) if f.tcp and f.tcp.payload]
        return said[1] if len(said) > 1 else float("inf")

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
        how = self._method(frame.tcp)
        if how != self._is.forwarding:
            self._breaks.append(causes.other_method(self._is, director, how, frame.tcp))
        tunnel = f"in a tunnel to {frame.tcp.tunnel}" if frame.tcp.tunnel else ""
        node = self._hop(director, frame, tunnel) or ""
        if node not in self._is.servers:
            self._breaks.append(causes.to_nobody(self._is, frame.target_mac, director))
            return None
        meant = frame.tcp.tunnel or frame.tcp.target
        if how != "DR" and meant not in (self._is.servers[node], self._is.server(node)):
            self._breaks.append(causes.meant_for_another(self._is, director, node, frame.tcp))
        return node

    def _method(self, segment: Segment) -> Forwarding:
        """Return how a segment was forwarded, by what became of it."""
        if segment.tunnel is not None:
            return "TUN"
        return "DR" if segment.target == self._vip else "NAT"

    def _answered(self, server: str, director: str | None) -> None:
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
        if self._is.forwarding == "NAT" and not self._breaks:
            self._back_through(server, director or "", node, answer, refused=refused)
        elif node in self._is.directors:
            onward = self._sent(self._back[node], node)
            if onward:
                self._hop(node, onward[0])
            self._breaks.append(causes.via_director(node, server))
        elif node != client:
            self._breaks.append(causes.to_nobody(self._is, answer.target_mac, server))
        elif answer.tcp is not None and answer.tcp.source != self._vip:
            if not any(b.kind == "nat" for b in self._breaks):
                self._breaks.append(causes.not_as_vip(server, answer.tcp.source))
        elif refused:
            self._breaks.append(causes.refused(server))
        elif (passed := next(filter(self._had_answer, self._is.directors), None)) is not None:
            self._breaks.append(causes.via_director(passed, server))

    def _had_answer(self, director: str) -> bool:
        """Whether a frame of the answer was a director's own, sent or received."""
        return any(self._mine(frame, director) for frame in self._back[director])

    def _back_through(
        self, server: str, director: str, node: str, answer: Frame, *, refused: bool
    ) -> None:
        """Follow an answer of NAT: through the director that forwarded its request."""
        client = self._is.client
        if node != director:
            whom = node or answer.target_mac
            self._breaks.append(causes.past_director(self._is, server, whom, director))
            return
        onward = self._sent(self._back[director], director)
        if not onward:
            self._breaks.append(causes.answer_dropped(director, server))
            return
        last = onward[0]
        rewritten = last.tcp is not None and last.tcp.source == self._vip
        receiver = self._hop(director, last) or ""
        if not rewritten and last.tcp is not None:
            self._breaks.append(causes.not_rewritten(director, last.tcp.source))
        elif receiver != client:
            self._breaks.append(causes.to_nobody(self._is, last.target_mac, director))
        elif refused:
            self._breaks.append(causes.refused(server))

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
