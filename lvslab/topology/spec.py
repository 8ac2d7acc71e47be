"""A topology with every blank filled in: what ``plan`` and everything after it reads.

``models.py`` is what a user may write (with shorthands and defaults); ``resolve.py`` turns
it into these frozen, fully typed values. All durations are seconds. Field names follow
keepalived.conf(5) wherever it has a word for the thing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Literal

Debian = Literal["bookworm", "trixie"]
Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "fo", "ovf", "mh"
]
SchedulerFlag = Literal[
    "sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3"
]
Forwarding = Literal["DR", "NAT", "TUN"]
Protocol = Literal["TCP", "UDP"]
CheckKind = Literal[
    "HTTP_GET",
    "SSL_GET",
    "TCP_CHECK",
    "UDP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
]
#: Checks that ask for a page.
ASKING: tuple[CheckKind, ...] = ("HTTP_GET", "SSL_GET")
#: The record types that keepalived's DNS_CHECK can ask for (check_dns.c, DNS_TYPE).
DnsType = Literal["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"]
State = Literal["MASTER", "BACKUP"]


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """The layer-2 segment that all nodes share; with NAT, directors and clients only."""

    name: str
    subnet: IPv4Network
    gateway: IPv4Address


@dataclass(frozen=True, slots=True)
class InsideSpec:
    """The segment behind the directors, with NAT: real servers are there and nowhere else."""

    subnet: IPv4Network
    #: The real servers' default gateway. The director that has the VIPs holds it, too.
    gateway: IPv4Address
    #: What the engine's own bridge has: nobody's gateway.
    bridge: IPv4Address


@dataclass(frozen=True, slots=True)
class DirectorSpec:
    """A load balancer: runs keepalived, may hold VIPs."""

    name: str
    address: IPv4Address
    router_id: str
    #: Lines put verbatim at the end of this director's keepalived.conf.
    raw: str = ""
    #: Lines put verbatim before its instances: keepalived knows a script only once it is defined.
    definitions: str = ""
    #: Its address in the inside network, where there is one.
    inside: IPv4Address | None = None
    #: Programs put into it, executable, by their paths: what its scripts are.
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RealServerSpec:
    """Runs what answers. Holds every VIP it serves silently with DR and TUN, and none with NAT."""

    name: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class ClientSpec:
    """Where the probe runs. Needs no privilege at all."""

    name: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A health check of one real server."""

    kind: CheckKind
    path: str = "/"
    #: None: keepalived's own, 200 to 299 (check_http.h, HTTP_DEFAULT_STATUS_CODE_MIN and _MAX).
    status_code: int | None = None
    digest: str | None = None
    virtualhost: str | None = None
    connect_port: int | None = None
    connect_timeout: float = 3.0
    #: Attempts after the first failed one before the real server is removed.
    retry: int = 3
    delay_before_retry: float = 3.0
    #: MISC_CHECK only.
    misc_path: str | None = None
    misc_timeout: float | None = None
    misc_dynamic: bool = False
    #: UDP_CHECK only: hexadecimal octets; None: keepalived's own 32.
    payload: str | None = None
    #: UDP_CHECK only; text: hexadecimal octets that the reply begins with, x is any digit.
    require_reply: bool | str = False
    #: UDP_CHECK only. keepalived looks at them where it compares octets, and only there.
    min_reply_length: int | None = None
    max_reply_length: int | None = None
    #: DNS_CHECK only.
    dns_type: DnsType = "SOA"
    name: str = "."
    raw: str = ""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A real server as one virtual server sees it."""

    server: str
    address: IPv4Address
    port: int
    weight: int
    inhibit_on_failure: bool
    check: CheckSpec | None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class SorryServer:
    """Where requests go while no real server is up."""

    server: str
    address: IPv4Address
    port: int
    inhibit: bool = False


@dataclass(frozen=True, slots=True)
class VirtualServerSpec:
    """``virtual_server VIP PORT`` of keepalived.conf."""

    vip: IPv4Address
    port: int
    protocol: Protocol
    scheduler: Scheduler
    scheduler_flags: tuple[SchedulerFlag, ...]
    forwarding: Forwarding
    delay_loop: float
    persistence_timeout: int | None
    persistence_granularity: str | None
    quorum: int
    hysteresis: int
    alpha: bool
    omega: bool
    ops: bool
    members: tuple[PoolMember, ...]
    sorry_server: SorryServer | None = None
    raw: str = ""

    @property
    def key(self) -> str:
        """``VIP:PORT``, how this virtual server is named everywhere a person reads it.

        With ``/udp`` where it is UDP: DNS has both on one port.
        """
        return f"{self.vip}:{self.port}{'/udp' if self.protocol == 'UDP' else ''}"


@dataclass(frozen=True, slots=True)
class VrrpMember:
    """One director's part in a VRRP instance."""

    director: str
    address: IPv4Address
    priority: int
    state: State
    nopreempt: bool
    preempt_delay: float | None


@dataclass(frozen=True, slots=True)
class AuthSpec:
    """VRRPv2 authentication (removed from the protocol by RFC 3768, still in keepalived)."""

    auth_type: Literal["PASS", "AH"]
    auth_pass: str


@dataclass(frozen=True, slots=True)
class GarpSpec:
    """Gratuitous ARP settings; None leaves keepalived's default (keepalived.conf(5))."""

    master_delay: int | None = None
    master_repeat: int | None = None
    master_refresh: int | None = None
    master_refresh_repeat: int | None = None
    lower_prio_delay: int | None = None
    lower_prio_repeat: int | None = None
    interval: float | None = None


@dataclass(frozen=True, slots=True)
class VrrpInstanceSpec:
    """``vrrp_instance NAME`` of keepalived.conf, with every director's part in it."""

    name: str
    vrid: int
    version: Literal[2, 3]
    advert_int: float
    vips: tuple[IPv4Interface, ...]
    members: tuple[VrrpMember, ...]
    unicast: bool
    auth: AuthSpec | None = None
    garp: GarpSpec = field(default_factory=GarpSpec)
    #: VIP label (``eth0:1``); None writes none.
    label: str | None = None
    raw: str = ""

    def by_priority(self) -> tuple[VrrpMember, ...]:
        """Members, the one that should hold the VIPs first (ties: higher address wins)."""
        return tuple(sorted(self.members, key=lambda m: (-m.priority, -int(m.address))))


@dataclass(frozen=True, slots=True)
class TopologySpec:
    """All that a plan is made from."""

    name: str
    debian: Debian
    network: NetworkSpec
    directors: tuple[DirectorSpec, ...]
    real_servers: tuple[RealServerSpec, ...]
    clients: tuple[ClientSpec, ...]
    vrrp_instances: tuple[VrrpInstanceSpec, ...]
    virtual_servers: tuple[VirtualServerSpec, ...]
    #: Lines put verbatim into every director's ``global_defs``.
    global_raw: str = ""
    #: Sysctls given to every director when its container is created (net.ipv4.vs.* and such).
    director_sysctls: tuple[tuple[str, str], ...] = ()
    #: The network behind the directors: there with NAT, and only then.
    inside: InsideSpec | None = None

    @property
    def forwarding(self) -> Forwarding:
        """How every virtual server forwards: a topology has one way only."""
        return next((vs.forwarding for vs in self.virtual_servers), "DR")

    @property
    def gateway_instance(self) -> str | None:
        """The VRRP instance that holds the real servers' gateway; None without one."""
        if self.inside is None:
            return None
        nats = {vs.vip for vs in self.virtual_servers}
        held = (i.name for i in self.vrrp_instances if any(v.ip in nats for v in i.vips))
        return next(held, None)

    @property
    def vips(self) -> tuple[IPv4Address, ...]:
        """Every VIP, in the order of the instances, each once."""
        seen = dict.fromkeys(v.ip for i in self.vrrp_instances for v in i.vips)
        seen.update(dict.fromkeys(v.vip for v in self.virtual_servers))
        return tuple(seen)
