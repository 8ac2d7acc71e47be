"""What a user may write. ``resolve.py`` fills in the rest.

The text under each field is its description in the JSON schema, so editors show it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lvslab.topology.shorthands import block, digits, names, reply, several
from lvslab.topology.spec import (
    CheckKind,
    Debian,
    DnsType,
    Forwarding,
    Protocol,
    Scheduler,
    SchedulerFlag,
)
from lvslab.topology.values import (
    Address,
    DnsName,
    Hex,
    HexPattern,
    Label,
    Line,
    Name,
    Program,
    ProgramPath,
    Raw,
    Subnet,
    Vip,
    Word,
)

#: A timer in seconds; keepalived counts in microseconds.
Seconds = Annotated[float, Field(ge=0.001, le=3600, allow_inf_nan=False)]


class Model(BaseModel):
    """Strict: no unknown keys, no guessing of types."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class Network(Model):
    """The layer-2 network that all nodes share; with forwarding NAT, all but the real servers."""

    name: Name | None = None
    """Name of the network. Default: the topology's name."""
    subnet: Subnet | None = None
    """Its subnet. Default: 172.20.0.0/16."""
    gateway: Address | None = None
    """Address of the gateway. Default: the last free host address of the subnet."""


class Inside(Model):
    """The network behind the directors: with forwarding NAT, the real servers are in it."""

    subnet: Subnet | None = None
    """Its subnet. Default: 10.20.0.0/24."""
    gateway: Address | None = None
    """The real servers' default gateway. The director that has the VIPs holds it with them.
    Default: the last free host address of the subnet."""


class Director(Model):
    """A load balancer."""

    address: Address | None = None
    """Its address. Default: assigned, from the subnet's .1 on."""
    inside: Address | None = None
    """With NAT, its address in the inside network. Default: assigned, from its .1 on."""
    priority: Annotated[int, Field(ge=1, le=254)] | None = None
    """VRRP priority in every instance that does not say otherwise; the highest is MASTER.
    Default: 100 for the first, 50 for the second, then 40, 30, 20, 10, 9 and so on."""
    router_id: Word | None = None
    """keepalived's router_id. Default: the director's name."""
    definitions: Raw = ""
    """Lines put verbatim before the vrrp_instances of this director's keepalived.conf."""
    files: dict[ProgramPath, Program] = {}
    """Programs put into it, each by its absolute path: the text of a script that keepalived runs.
    They belong to root and are executable."""
    raw: Raw = ""
    """Lines put verbatim at the end of this director's keepalived.conf."""


class RealServer(Model):
    """A server that answers the requests."""

    address: Address | None = None
    """Its address; with NAT, in the inside network. Default: assigned, from the subnet's .10 on."""
    weight: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Its weight in every virtual server that does not say otherwise. Default: 1."""


class Client(Model):
    """Where the requests come from."""

    address: Address | None = None
    """Its address. Default: assigned, from the subnet's .200 on."""


class Auth(Model):
    """VRRPv2 authentication."""

    auth_type: Literal["PASS", "AH"] = "PASS"
    """PASS (in the clear) or AH (IPsec)."""
    auth_pass: Annotated[Word, BeforeValidator(digits, json_schema_input_type=str | int)]
    """The password, at most 8 characters: keepalived ignores the rest."""


class Garp(Model):
    """Gratuitous ARP settings. What is left out is keepalived's own default."""

    master_delay: Annotated[int, Field(ge=0, le=3600)] | None = None
    """garp_master_delay: seconds until the second set after becoming MASTER."""
    master_repeat: Annotated[int, Field(ge=1, le=1000)] | None = None
    """garp_master_repeat: messages in a set."""
    master_refresh: Annotated[int, Field(ge=0, le=86400)] | None = None
    """garp_master_refresh: seconds between sets while MASTER; 0 sends none."""
    master_refresh_repeat: Annotated[int, Field(ge=1, le=1000)] | None = None
    """garp_master_refresh_repeat: messages in such a set."""
    lower_prio_delay: Annotated[int, Field(ge=0, le=3600)] | None = None
    """garp_lower_prio_delay: seconds until the second set after a lower-priority advert."""
    lower_prio_repeat: Annotated[int, Field(ge=0, le=1000)] | None = None
    """garp_lower_prio_repeat: messages in a set after a lower-priority advert."""
    interval: Annotated[float, Field(ge=0.000001, le=60, allow_inf_nan=False)] | None = None
    """vrrp_garp_interval: seconds between two messages on an interface."""


class Vrrp(Model):
    """VRRP settings: in ``vrrp`` for all instances, in an instance for that one."""

    version: Literal[2, 3] | None = None
    """VRRP version. Default: 2."""
    advert_int: Annotated[float, Field(ge=0.01, le=255, allow_inf_nan=False)] | None = None
    """Seconds between adverts: whole ones for version 2, 0.01 to 40.95 for 3. Default: 1."""
    preempt: bool | None = None
    """Whether a director with a higher priority takes the VIPs back. False is keepalived's
    nopreempt, and makes every director start as BACKUP. Default: true."""
    preempt_delay: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None
    """Seconds to wait before taking the VIPs back; every director then starts as BACKUP.
    Default: none."""
    unicast: bool | None = None
    """Send adverts to each peer's address instead of the multicast group. Default: false."""
    auth: Annotated[
        Auth | None, BeforeValidator(
            lambda value: value if value is None else block("auth_pass")(value),
            json_schema_input_type=Auth | str | int | None,
        )
    ] = None  # fmt: skip
    """Authentication, version 2 only; text alone is a PASS password. Default: none."""
    garp: Garp | None = None
    """Gratuitous ARP settings."""


class VrrpInstance(Vrrp):
    """One VRRP instance: VIPs that move together."""

    vrid: Annotated[int, Field(ge=1, le=255)] | None = None
    """Virtual router id, once per network. Default: 51, then the next that is free."""
    vips: Annotated[
        list[Vip],
        Field(min_length=1, max_length=255),
        BeforeValidator(several, json_schema_input_type=Vip | list[Vip]),
    ]
    """The VIPs, each a /32 on eth0."""
    priorities: dict[str, Annotated[int, Field(ge=1, le=254)]] | None = None
    """Priority of each director that takes part. Default: all directors, with their own."""
    label: Label | None = None
    """Label of the VIPs on the interface, such as eth0:vip. Default: none."""
    raw: Raw = ""
    """Lines put verbatim at the end of the vrrp_instance block."""


CheckType = Literal[CheckKind, "none"]


class Check(Model):
    """A health check. What a member's check leaves out is its virtual server's."""

    type: CheckType | None = None
    """How the server is checked. Default: HTTP_GET for TCP, none for UDP."""
    path: Word | None = None
    """HTTP_GET, SSL_GET: the path asked for. Default: /."""
    status_code: Annotated[int, Field(ge=100, le=599)] | None = None
    """HTTP_GET, SSL_GET: the status that is healthy, and that its real server answers this path
    with. Default: keepalived's own, 200 to 299."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """HTTP_GET, SSL_GET: MD5 that the body has to have, as genhash prints it. Default: any body."""
    virtualhost: Word | None = None
    """HTTP_GET, SSL_GET: the Host header. Default: keepalived's own."""
    connect_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Port to connect to; not of MISC_CHECK. Default: the real server's port."""
    connect_timeout: Seconds | None = None
    """Seconds until an attempt has failed; not of MISC_CHECK. Default: 3."""
    retry: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Attempts after the first failed one until the real server is removed. Default: 3."""
    delay_before_retry: Seconds | None = None
    """Seconds between these attempts. Default: 3."""
    misc_path: Line | None = None
    """MISC_CHECK: the command, on a director."""
    misc_timeout: Annotated[int, Field(ge=1, le=3600)] | None = None
    """MISC_CHECK: whole seconds until the command has failed. Default: keepalived's own."""
    misc_dynamic: bool | None = None
    """MISC_CHECK: whether the command's exit code sets the weight. Default: false."""
    payload: Annotated[Hex, BeforeValidator(digits)] | None = None
    """UDP_CHECK: what is sent, in hexadecimal. Default: keepalived's own 32 octets."""
    require_reply: Annotated[bool | HexPattern, BeforeValidator(reply)] | None = None
    """UDP_CHECK: whether silence has failed; or what the answer has to begin with, in hexadecimal,
    with x for any digit. Default: false, only a port that is closed has failed."""
    min_reply_length: Annotated[int, Field(ge=0, le=65535)] | None = None
    """UDP_CHECK: octets that the answer has at least, where its octets are compared. Default: 0."""
    max_reply_length: Annotated[int, Field(ge=0, le=65535)] | None = None
    """UDP_CHECK: octets that it has at most, where its octets are compared. Default: 255."""
    dns_type: DnsType | None = None
    """DNS_CHECK: the record type asked for, keepalived's `type`. Default: SOA."""
    name: DnsName | None = None
    """DNS_CHECK: the name asked for. Default: the root, as a dot."""
    raw: Raw | None = None
    """Lines put verbatim at the end of the check's block."""


CheckEntry = Annotated[
    Check | None,
    BeforeValidator(
        lambda value: value if value is None else block("type")(value),
        json_schema_input_type=Check | CheckType | None,
    ),
]


class Member(Model):
    """A real server in one virtual server."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port: another than the virtual server's with NAT only. Default: the virtual server's."""
    weight: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Its weight here. Default: the real server's own, else 1."""
    inhibit_on_failure: bool | None = None
    """Weight 0 instead of removal when its check fails. Default: the virtual server's."""
    check: CheckEntry = None
    """Its own check; what is left out is the virtual server's."""
    raw: Raw = ""
    """Lines put verbatim at the end of the real_server block."""


class Sorry(Model):
    """Who answers while the quorum is lost."""

    server: str
    """Name of a real server that is not in the pool."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port: another than the virtual server's with NAT only. Default: the virtual server's."""
    inhibit: bool = False
    """sorry_server_inhibit: weight 0 instead of removal."""


class VirtualServer(Model):
    """What clients connect to: a VIP and a port."""

    vip: Vip | None = None
    """The VIP. Default: the topology's VIP, if it has one only."""
    port: Annotated[int, Field(ge=1, le=65535)] = 80
    """The port, here and on the real servers (only NAT can change it)."""
    protocol: Protocol = "TCP"
    """The transport protocol."""
    scheduler: Scheduler = "rr"
    """How requests are shared out (lvs_sched)."""
    scheduler_flags: list[SchedulerFlag] = []
    """Flags of the scheduler."""
    forwarding: Forwarding = "DR"
    """Forwarding method (lvs_method), the same for all virtual servers of a topology."""
    delay_loop: Seconds = 6.0
    """Seconds between two checks of a real server."""
    persistence_timeout: Annotated[int, Field(ge=1, le=2_678_400)] | None = None
    """Seconds that a client stays with its real server. Default: no persistence."""
    persistence_granularity: Address | None = None
    """Netmask of the clients that count as one, such as 255.255.255.0. Default: each alone."""
    quorum: Annotated[int, Field(ge=1, le=65535 * 255)] = 1
    """Total weight of live real servers that is needed to serve."""
    hysteresis: Annotated[int, Field(ge=0, le=65535 * 255)] = 0
    """How far the weight must rise above, or fall below, the quorum to change it."""
    alpha: bool = False
    """Take every real server as down until its first check passes."""
    omega: bool = False
    """Run the down notifiers when keepalived stops."""
    ops: bool = False
    """One-packet scheduling, UDP only."""
    inhibit_on_failure: bool = False
    """Weight 0 instead of removal when a real server's check fails."""
    check: CheckEntry = None
    """The health check of every member. Default: HTTP_GET on / for TCP, none for UDP."""
    real_servers: Annotated[
        dict[str, Annotated[Member, BeforeValidator(
            block("weight"), json_schema_input_type=Member | int | None)]] | None,
        BeforeValidator(names, json_schema_input_type=list[str] | dict[str, Member | int | None]),
    ] = None  # fmt: skip
    """The pool: names, or names with settings. Default: every real server but the sorry server."""
    sorry_server: Annotated[
        Sorry | None, BeforeValidator(
            lambda value: value if value is None else block("server")(value),
            json_schema_input_type=Sorry | str | None,
        )
    ] = None  # fmt: skip
    """Who answers while the quorum is lost. Default: nobody."""
    raw: Raw = ""
    """Lines put verbatim at the end of the virtual_server block."""


DirectorEntry = Annotated[
    Director,
    BeforeValidator(block("address"), json_schema_input_type=Director | Address | None),
]
RealServerEntry = Annotated[
    RealServer,
    BeforeValidator(block("address"), json_schema_input_type=RealServer | Address | None),
]
ClientEntry = Annotated[
    Client,
    BeforeValidator(block("address"), json_schema_input_type=Client | Address | None),
]


class Topology(Model):
    """A lab: an LVS cluster with keepalived, and the clients that use it."""

    name: Name | None = None
    """Name of the lab. Default: the file's name without its ending."""
    debian: Debian = "trixie"
    """Debian release of the nodes, and with it keepalived's version (2.2.7 or 2.3.x)."""
    network: Network = Network()
    """The network that all nodes share; with NAT, all but the real servers."""
    inside: Inside | None = None
    """The network behind the directors, with forwarding NAT only. Default: its own defaults."""
    directors: Annotated[
        dict[Name, DirectorEntry],
        Field(min_length=1),
        BeforeValidator(names, json_schema_input_type=list[Name] | dict[Name, DirectorEntry]),
    ]
    """The load balancers, by name: a list of names, or names with settings."""
    real_servers: Annotated[
        dict[Name, RealServerEntry],
        Field(min_length=1),
        BeforeValidator(names, json_schema_input_type=list[Name] | dict[Name, RealServerEntry]),
    ]
    """The real servers, by name: a list of names, or names with settings."""
    clients: Annotated[
        dict[Name, ClientEntry],
        Field(min_length=1),
        BeforeValidator(names, json_schema_input_type=list[Name] | dict[Name, ClientEntry]),
    ] = {"client": Client()}
    """The clients, by name. Default: one, called client."""
    vip: Annotated[
        Annotated[list[Vip], Field(min_length=1, max_length=255)] | None,
        BeforeValidator(several, json_schema_input_type=Vip | list[Vip]),
    ] = None
    """Short for one VRRP instance VI_1 with this VIP, or these. Not with vrrp_instances."""
    vrrp: Vrrp = Vrrp()
    """VRRP settings of every instance that does not say otherwise."""
    vrrp_instances: Annotated[dict[Name, VrrpInstance], Field(min_length=1)] | None = None
    """The VRRP instances, by name."""
    virtual_servers: Annotated[list[VirtualServer], Field(min_length=1)] | None = None
    """The virtual servers. Default: port 80 of each VIP, with every real server."""
    global_raw: Raw = ""
    """Lines put verbatim into every director's global_defs."""
    director_sysctls: dict[
        str, Annotated[Line, BeforeValidator(digits, json_schema_input_type=str | int)]
    ] = {}
    """Sysctls of every director, such as net.ipv4.vs.expire_nodest_conn: 1."""
