"""What a configuration means, as typed values; each says where it is written.

Names are those of keepalived.conf(5). All durations are seconds. What is not written has
keepalived's own default (2.2), and its position is that of the block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface

from lvslab.conf.errors import Position
from lvslab.conf.tree import Node

Interface = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Block:
    """A part of the configuration, and the block that it is written in."""

    node: Node

    @property
    def where(self) -> Position:
        """Where the block is: at its name, or at its keyword."""
        return self.node.arg_at()

    def at(self, *keywords: str) -> Position:
        """Return where a value is written: the last of these keywords, or the block."""
        node = self.node.last(*keywords)
        return self.where if node is None else node.arg_at()

    def has(self, keyword: str) -> bool:
        """Return whether a keyword is written."""
        return self.node.last(keyword) is not None


@dataclass(frozen=True)
class Vip:
    """A line of ``virtual_ipaddress``."""

    node: Node
    text: str
    #: None where it is no address.
    address: Interface | None
    has_prefix: bool
    dev: str | None
    label: str | None
    excluded: bool

    @property
    def ip(self) -> str:
        """The address without prefix, in one form; the text where it is none."""
        return str(self.address.ip) if self.address else self.text


@dataclass(frozen=True)
class Track:
    """A line of ``track_script`` and its like."""

    node: Node
    kind: str
    name: str
    weight: int | None
    reverse: bool


@dataclass(frozen=True)
class Instance(Block):
    """``vrrp_instance``."""

    name: str
    state: str
    interface: str
    vrid: int | None
    priority: int
    version: int
    advert_int: float
    nopreempt: bool
    preempt_delay: float
    strict: bool
    accept: bool
    auth_type: str
    auth_pass: str
    vips: tuple[Vip, ...]
    unicast_src: str
    peers: tuple[str, ...]
    unicast: bool
    tracks: tuple[Track, ...]
    down_timer_adverts: int

    @property
    def ipv6(self) -> bool:
        """Whether the first VIP decides for IPv6 (vrrp.c)."""
        first = next((v.address for v in self.vips if v.address and not v.excluded), None)
        return first is not None and first.version == 6


@dataclass(frozen=True)
class SyncGroup(Block):
    """``vrrp_sync_group``."""

    name: str
    members: tuple[str, ...]
    #: One node a member, in the order of ``members``.
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Script(Block):
    """``vrrp_script``."""

    name: str
    command: str
    interval: float
    timeout: float | None
    weight: int
    rise: int
    fall: int


@dataclass(frozen=True)
class Check(Block):
    """A health check of a real server, with what it inherits."""

    kind: str
    connect_port: int | None
    connect_timeout: float
    retry: int
    delay_before_retry: float
    delay_loop: float
    misc_timeout: float | None
    urls: tuple[Node, ...] = ()


@dataclass(frozen=True)
class RealServer(Block):
    """``real_server``."""

    address: str
    port: int | None
    weight: int
    method: str
    checks: tuple[Check, ...]

    @property
    def key(self) -> str:
        """``172.20.1.10 80``."""
        return self.address if self.port is None else f"{self.address} {self.port}"


@dataclass(frozen=True)
class VirtualServer(Block):
    """``virtual_server``: of an address and a port, of a firewall mark, or of a group."""

    #: ``address``, ``fwmark`` or ``group``.
    of: str
    target: str
    port: int | None
    protocol: str
    scheduler: str
    method: str
    delay_loop: float
    persistence_timeout: int | None
    quorum: int
    hysteresis: int
    ops: bool
    sorry: tuple[str, int | None] | None
    real_servers: tuple[RealServer, ...]

    @property
    def key(self) -> str:
        """``172.20.1.100 80 TCP``: what makes it one service of IPVS."""
        port = "" if self.port is None else f" {self.port}"
        name = self.target if self.of == "address" else f"{self.of} {self.target}"
        # A firewall mark is a service of its own, whatever the protocol.
        return f"{name}{port}" + ("" if self.of == "fwmark" else f" {self.protocol}")


@dataclass(frozen=True)
class Group(Block):
    """``virtual_server_group``."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """All of it."""

    root: Node
    globals: tuple[Node, ...] = ()
    instances: tuple[Instance, ...] = ()
    sync_groups: tuple[SyncGroup, ...] = ()
    scripts: tuple[Script, ...] = ()
    virtual_servers: tuple[VirtualServer, ...] = ()
    groups: tuple[Group, ...] = ()
    #: Names of what ``track_file`` and its like can track, by kind.
    trackers: dict[str, frozenset[str]] = field(default_factory=dict)

    def setting(self, keyword: str) -> Node | None:
        """Return the line of ``global_defs`` that counts."""
        return next((n for g in reversed(self.globals) if (n := g.last(keyword))), None)
