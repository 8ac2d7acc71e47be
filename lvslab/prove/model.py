"""What a proof is asked for, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lvslab.prove.frames import Endpoint
from lvslab.topology.spec import Forwarding

#: What can be wrong with what is to be proved (docs/prove.md has a line on each).
BreakKind = Literal[
    "arp-none",  # nobody answers ARP for the VIP
    "arp-flux",  # somebody else than the director answers, too, or instead
    "stale-arp",  # the client's ARP entry names a director that does not hold the VIP
    "bypass",  # the client's request goes past the director
    "not-forwarded",  # the director has the request and sends it to nobody
    "direct",  # the request is sent on as it is: direct routing instead of NAT or a tunnel
    "nat",  # the destination is rewritten: NAT instead of direct routing or a tunnel
    "tunnel",  # the request travels in an IPIP tunnel, and should not, or not in this one
    "lost",  # a frame was sent and did not arrive
    "no-vip",  # the real server does not take the request for its own
    "lo-mask",  # the real server takes the client's address for its own
    "no-answer",  # it arrived where it should, and nobody answered
    "answer-via-director",  # the answer goes through a director
    "answer-past-director",  # with NAT, it goes past the director that has its connection
    "answer-dropped",  # with NAT, the director has the answer and sends it to nobody
    "not-rewritten",  # with NAT, the answer comes from the real server and not from the VIP
    "not-served",  # a connection, but no page in time
    "unreached",  # no request came to this real server
    "not-recorded",  # a node's capture is not whole
]


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is not as its forwarding method has it, where, and what to do about it."""

    kind: BreakKind
    node: str
    what: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """A frame from one node to the next. Addresses are those on the frame."""

    sender: str
    receiver: str
    source_mac: str
    target_mac: str
    source: Endpoint
    target: Endpoint
    #: Seconds after the first hop; the engine's nodes share one clock.
    after: float
    #: Whether the receiver's own capture has it, too.
    arrived: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """The way of one request (its first frame) and of its answer."""

    #: The client's port: what tells one request from another.
    port: int
    hops: tuple[Hop, ...]
    #: The real server that it came to, or was sent to; None when to none.
    server: str | None
    #: A page came back to the client.
    served: bool
    breaks: tuple[Break, ...]


@dataclass(frozen=True, slots=True)
class ServerProof:
    """One real server."""

    name: str
    address: str
    proved: bool
    #: Requests that it served as the method has it, of those that came to it.
    served: int
    requests: int
    #: One request hop by hop: the first that is as it should be, or else the first.
    path: Path | None
    breaks: tuple[Break, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """What the captures say of one virtual server."""

    vip: str
    port: int
    client: str
    #: Who answered ARP for the VIP: MAC address -> node, or None for one of no node.
    answers: Mapping[str, str | None]
    servers: tuple[ServerProof, ...]
    #: All that is wrong, once each, what causes the rest first.
    breaks: tuple[Break, ...]
    requests: int
    #: What was to be proved.
    forwarding: Forwarding = "DR"
    #: With NAT: the real servers' gateway, and who answered ARP for it.
    gateway: str = ""
    gateway_answers: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        """Whether it forwards as it should, with every real server."""
        return not self.breaks and all(s.proved for s in self.servers)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node says of itself; only for naming a cause, never for the verdict."""

    #: (interface, address with prefix length)
    addresses: tuple[tuple[str, str], ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """The virtual server and the nodes that a proof is about."""

    vip: str
    port: int
    client: str
    client_address: str
    #: Name -> address.
    directors: Mapping[str, str]
    #: Name -> address, of the real servers that must be proved.
    servers: Mapping[str, str]
    #: MAC address -> node, of every node.
    macs: Mapping[str, str]
    states: Mapping[str, NodeState] = field(default_factory=dict)
    #: Marks the client's last question by ARP: a capture that has it is whole.
    last_mark: str = ""
    #: What is to be proved.
    forwarding: Forwarding = "DR"
    #: Name -> port, of the real servers that have another than the virtual server's (NAT).
    ports: Mapping[str, int] = field(default_factory=dict)
    #: With an inside network: the real servers' gateway.
    gateway: str = ""
    #: Its clients speak TLS.
    tls: bool = False

    def server(self, name: str) -> Endpoint:
        """Return the address and port at which a real server is asked with NAT."""
        return self.servers[name], self.ports.get(name, self.port)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able data; :meth:`from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Setting:
        """Read what :meth:`to_json` returned. Raises KeyError, TypeError when it is not that."""
        states = {
            node: NodeState(tuple((i, a) for i, a in state["addresses"]), dict(state["sysctls"]))
            for node, state in data["states"].items()
        }
        return cls(**{**data, "states": states})
