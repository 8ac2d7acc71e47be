"""The judge on NAT and tunnels: what nodes would see, written by hand, and then changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from lvslab.prove.flow import Captures
from lvslab.prove.frames import (
    ACK,
    BROADCAST,
    REPLY,
    REQUEST,
    RST,
    SYN,
    Arp,
    Endpoint,
    Frame,
    Segment,
)
from lvslab.prove.judge import judge
from lvslab.prove.model import NodeState, Proof, Setting
from lvslab.report import prove as report

VIP, GATEWAY, CLIENT = "172.23.1.100", "10.23.0.254", "172.23.1.200"
MACS = {
    "02:00:00:00:00:c8": "client",
    "02:00:00:00:00:01": "lvs1",
    "02:00:00:00:01:01": "lvs1",
    "02:00:00:00:00:02": "lvs2",
    "02:00:00:00:01:02": "lvs2",
    "02:00:00:00:01:0a": "rs1",
    "02:00:00:00:01:0b": "rs2",
    "02:00:00:00:01:fd": "the engine",
}
C, D1, D1_IN, D2, D2_IN, R1, R2, BRIDGE = MACS
MARK = "01:02:03:04:05:06"
NAT = Setting(
    vip=VIP,
    port=80,
    client="client",
    client_address=CLIENT,
    directors={"lvs1": "172.23.1.1", "lvs2": "172.23.1.2"},
    servers={"rs1": "10.23.0.10", "rs2": "10.23.0.11"},
    macs={mac: node for mac, node in MACS.items() if node != "the engine"},
    last_mark=MARK.replace(":", ""),
    forwarding="NAT",
    ports={"rs2": 8080},
    gateway=GATEWAY,
)
TUN = replace(
    NAT,
    servers={"rs1": "172.23.1.10", "rs2": "172.23.1.11"},
    forwarding="TUN",
    ports={},
    gateway="",
)
#: Interface -> the capture that has its frames.
SEES = {C: "client", D1: "lvs1", D1_IN: "lvs1@eth1", D2: "lvs2", D2_IN: "lvs2@eth1",
        R1: "rs1", R2: "rs2"}  # fmt: skip
ADDRESSES = {R1: ("10.23.0.10", 80), R2: ("10.23.0.11", 8080)}
TUNNELS = {R1: "172.23.1.10", R2: "172.23.1.11"}


@dataclass
class Wire:
    """Frames between interfaces, each in the captures at both of its ends."""

    captures: dict[str, list[Frame]]
    now: float = 0.0
    #: Changes a frame on its way, or loses it (None): called with its number in its connection.
    change: Callable[[int, Frame], Frame | None] = lambda _, frame: frame
    hop: int = 0
    ends: list[tuple[str, str]] = field(default_factory=list)

    def tcp(
        self, source_mac: str, target_mac: str, source: Endpoint, target: Endpoint,
        flags: int = ACK, payload: int = 0, tunnel: str | None = None,
    ) -> None:  # fmt: skip
        self.now += 0.001
        self.hop += 1
        segment = Segment(source, target, flags, payload, 64, tunnel)
        frame = self.change(self.hop, Frame(self.now, source_mac, target_mac, tcp=segment))
        if frame is not None:
            self.put(frame)

    def put(self, frame: Frame) -> None:
        for mac in (frame.source_mac, frame.target_mac):
            if mac in SEES:
                self.captures[SEES[mac]].append(frame)

    def broadcast(self, mac: str, own: str, address: str, hear: list[str], holder: str) -> None:
        """Ask a segment by ARP who has an address; ``holder`` answers."""
        self.now += 0.001
        asked = Arp(REQUEST, own, mac, address, MARK)
        for name in hear:
            self.captures[name].append(Frame(self.now, mac, BROADCAST, arp=asked))
        answer = Arp(REPLY, address, holder, own, mac)
        self.put(Frame(self.now + 0.0001, holder, mac, arp=answer))


def on_wire(change: Callable[[int, Frame], Frame | None], gateway: str = D1_IN) -> Wire:
    wire = Wire({name: [] for name in SEES.values()}, change=change)
    wire.broadcast(C, CLIENT, VIP, ["client", "lvs1", "lvs2"], D1)
    inside = ["rs1", "rs2", "lvs1@eth1", "lvs2@eth1"]
    wire.broadcast(R1, "10.23.0.10", GATEWAY, inside, gateway)
    return wire


def nat(
    change: Callable[[int, Frame], Frame | None] = lambda _, frame: frame, gateway: str = D1_IN
) -> Captures:
    """Return what is seen of a request to each real server: SYN there and back, then a page."""
    wire = on_wire(change, gateway)
    for port, server in ((40001, R1), (40002, R2)):
        wire.hop = 0
        client, vip, real = (CLIENT, port), (VIP, 80), ADDRESSES[server]
        wire.tcp(C, D1, client, vip, SYN)
        wire.tcp(D1_IN, server, client, real, SYN)
        wire.tcp(server, D1_IN, real, client, SYN | ACK)
        wire.tcp(D1, C, vip, client, SYN | ACK)
        wire.tcp(server, D1_IN, real, client, payload=200)
        wire.tcp(D1, C, vip, client, payload=200)
    return wire.captures


def tun(change: Callable[[int, Frame], Frame | None] = lambda _, frame: frame) -> Captures:
    wire = Wire({name: [] for name in SEES.values() if "@" not in name}, change=change)
    wire.broadcast(C, CLIENT, VIP, list(wire.captures), D1)
    for port, server in ((40001, R1), (40002, R2)):
        wire.hop = 0
        client, vip = (CLIENT, port), (VIP, 80)
        wire.tcp(C, D1, client, vip, SYN)
        wire.tcp(D1, server, client, vip, SYN, tunnel=TUNNELS[server])
        wire.tcp(server, C, vip, client, SYN | ACK)
        wire.tcp(server, C, vip, client, payload=200)
    return wire.captures


def found(proof: Proof) -> list[tuple[str, str]]:
    return [(b.kind, b.node) for b in proof.breaks]


def ways(proof: Proof, server: str) -> list[tuple[str, str, Endpoint, Endpoint]]:
    (one,) = (s for s in proof.servers if s.name == server)
    assert one.path is not None
    return [(h.sender, h.receiver, h.source, h.target) for h in one.path.hops]


def test_nat_is_proved_there_and_back_through_one_director() -> None:
    proof = judge(NAT, nat())
    assert proof.proved, proof.breaks
    assert (proof.answers, proof.gateway_answers) == ({D1: "lvs1"}, {D1_IN: "lvs1"})
    client, real = (CLIENT, 40002), ("10.23.0.11", 8080)
    assert ways(proof, "rs2") == [
        ("client", "lvs1", client, (VIP, 80)),
        ("lvs1", "rs2", client, real),
        ("rs2", "lvs1", real, client),
        ("lvs1", "client", (VIP, 80), client),
    ]
    assert [(s.served, s.requests) for s in proof.servers] == [(1, 1), (1, 1)]


def test_a_tunnel_is_proved_there_and_the_answer_past_the_director() -> None:
    proof = judge(TUN, tun())
    assert proof.proved, proof.breaks
    client = (CLIENT, 40001)
    assert ways(proof, "rs1") == [
        ("client", "lvs1", client, (VIP, 80)),
        ("lvs1", "rs1", client, (VIP, 80)),
        ("rs1", "client", (VIP, 80), client),
    ]
    path = proof.servers[0].path
    assert path is not None
    assert path.hops[1].note == "in a tunnel to 172.23.1.10"
    assert (proof.gateway, proof.gateway_answers) == ("", {})


@pytest.mark.parametrize(
    ("setting", "captures", "kind"),
    [
        (replace(NAT, forwarding="DR"), nat(), "nat"),
        (replace(NAT, forwarding="TUN"), nat(), "nat"),
        (replace(TUN, forwarding="DR"), tun(), "tunnel"),
        (replace(TUN, forwarding="NAT"), tun(), "tunnel"),
    ],
)
def test_one_method_is_not_another(setting: Setting, captures: Captures, kind: str) -> None:
    proof = judge(setting, captures)
    assert not proof.proved
    assert found(proof)[0] == (kind, "lvs1")
    assert f"lb_kind {setting.forwarding}" in proof.breaks[0].fix


def at(hop: int, **changes: object) -> Callable[[int, Frame], Frame | None]:
    """Change the Nth frame of each connection with rs1 in it: of its segment, but for MACs."""

    def change(number: int, frame: Frame) -> Frame | None:
        port = {frame.tcp.source[1], frame.tcp.target[1]} if frame.tcp else set()
        if number != hop or frame.tcp is None or 40001 not in port:
            return frame
        segment = {k: v for k, v in changes.items() if not k.endswith("_mac")}
        macs = {k: v for k, v in changes.items() if k.endswith("_mac")}
        return replace(frame, tcp=replace(frame.tcp, **segment), **macs)  # type: ignore[arg-type]

    return change


def lost_from(hop: int) -> Callable[[int, Frame], Frame | None]:
    """Lose all frames of rs1's connection from the Nth on."""

    def change(number: int, frame: Frame) -> Frame | None:
        mine = frame.tcp and 40001 in (frame.tcp.source[1], frame.tcp.target[1])
        return None if mine and number >= hop else frame

    return change


CLIENT1: Endpoint = (CLIENT, 40001)


@pytest.mark.parametrize(
    ("change", "kind", "node", "says"),
    [
        (at(2, target=(VIP, 80)), "direct", "lvs1", "sends the request on as it is: DR, not NAT"),
        (at(2, target=("10.23.0.10", 81)), "nat", "lvs1", "a packet for 10.23.0.10:81"),
        (at(2, target=("10.23.0.11", 80)), "nat", "lvs1", "a packet for 10.23.0.11:80"),
        (at(3, target_mac=BRIDGE), "answer-past-director", "rs1", f"to {BRIDGE}, "),
        (at(3, target_mac=D2_IN), "answer-past-director", "rs1", "to lvs2, "),
        (at(4, source=("10.23.0.10", 80)), "not-rewritten", "lvs1", "from 10.23.0.10:80"),
        (lost_from(4), "answer-dropped", "lvs1", "sends it to nobody"),
        (lost_from(3), "no-answer", "rs1", "no answer left it"),
        (lost_from(2), "not-forwarded", "lvs1", "sends the request to no real server"),
        (lost_from(5), "not-served", "rs1", "no page came"),
        (at(3, flags=RST | ACK), "not-served", "rs1", "refuses the connection"),
    ],
)
def test_what_breaks_nat_is_named_where_it_is(
    change: Callable[[int, Frame], Frame | None], kind: str, node: str, says: str
) -> None:
    proof = judge(NAT, nat(change))
    assert (kind, node) in found(proof)
    assert found(proof)[0] == (kind, node)
    assert says in proof.breaks[0].what
    assert {s.name for s in proof.servers if s.proved} == {"rs2"}


def test_no_answer_of_nat_asks_for_the_gateway() -> None:
    assert GATEWAY in judge(NAT, nat(lost_from(3))).breaks[0].fix


@pytest.mark.parametrize(("holder", "who"), [(D2_IN, "lvs2"), (BRIDGE, "a stranger")])
def test_a_gateway_that_is_not_where_the_vip_is(holder: str, who: str) -> None:
    proof = judge(NAT, nat(gateway=holder))
    assert not proof.proved
    assert proof.breaks[0].kind == "answer-past-director"
    assert who in proof.breaks[0].what


def test_each_capture_has_to_be_whole_also_those_inside() -> None:
    for name in ("lvs1@eth1", "lvs2@eth1", "rs2"):
        whole = dict(nat())
        whole[name] = [f for f in whole[name] if f.arp is None]
        proof = judge(NAT, whole)
        assert found(proof) == [("not-recorded", name.partition("@")[0])]
        assert ("capture of eth1" in proof.breaks[0].what) == ("@" in name)


@pytest.mark.parametrize(
    ("change", "kind", "node", "says"),
    [
        (at(2, tunnel=None), "direct", "lvs1", "DR, not a tunnel"),
        (at(2, tunnel="172.23.1.11"), "tunnel", "lvs1", "sends rs1 a packet for 172.23.1.11"),
        (at(3, source=("172.23.1.10", 80)), "nat", "rs1", "answers as 172.23.1.10:80"),
        (at(3, target_mac=D1), "answer-via-director", "lvs1", "goes through lvs1"),
    ],
)
def test_what_breaks_a_tunnel_is_named_where_it_is(
    change: Callable[[int, Frame], Frame | None], kind: str, node: str, says: str
) -> None:
    proof = judge(TUN, tun(change))
    assert found(proof)[0] == (kind, node)
    assert says in proof.breaks[0].what
    assert {s.name for s in proof.servers if s.proved} == {"rs2"}


def test_the_end_of_a_tunnel_that_takes_nothing_out() -> None:
    silent = tun(lost_from(3))
    there = NodeState((("tunl0", f"{VIP}/32"), ("eth0", "172.23.1.10/16")))
    first = judge(replace(TUN, states={"rs1": there}), silent).breaks[0]
    assert (first.kind, first.node) == ("no-answer", "rs1")
    assert "tunl0 up, and rp_filter not 1" in first.fix
    none = NodeState((("eth0", "172.23.1.10/16"),))
    first = judge(replace(TUN, states={"rs1": none}), silent).breaks[0]
    assert (first.kind, first.fix.endswith("dev tunl0")) == ("no-vip", True)


def test_the_vip_belongs_on_the_tunnel() -> None:
    captures = {name: list(frames) for name, frames in tun().items()}
    spoken = Frame(9.0, R1, C, arp=Arp(REPLY, VIP, R1, CLIENT, C))
    captures["client"].append(spoken)
    where = NodeState((("tunl0", f"{VIP}/32"), ("eth0", f"{VIP}/32")))
    first = judge(replace(TUN, states={"rs1": where}), captures).breaks[0]
    assert (first.kind, first.node) == ("arp-flux", "rs1")
    assert first.fix == "it has the VIP on eth0: it belongs on tunl0"


def test_proofs_in_words() -> None:
    proof = judge(NAT, nat())
    assert list(report.arp_lines(proof)) == [
        f"who has {VIP}? lvs1 alone answers: {D1}",
        f"who has {GATEWAY}? lvs1 alone answers: {D1_IN}",
    ]
    remarks = [str(row[-1]) for row in report.rows(proof.servers[0])]
    assert remarks == ["the request", "rewritten", "the answer", "rewritten"]
    assert report.headline(proof) == f"proved: {VIP}:80 is NAT, by rs1 and rs2"
    assert report.to_dict(proof)["forwarding"] == "NAT"
    assert report.to_dict(proof)["gateway"] == [{"mac": D1_IN, "node": "lvs1"}]
    proof = judge(TUN, tun())
    assert report.headline(proof) == f"proved: {VIP}:80 is a tunnel, by rs1 and rs2"
    assert len(list(report.arp_lines(proof))) == 1
    broken = judge(TUN, tun(lost_from(3)))
    assert report.headline(broken).endswith("is not served through a tunnel as it should be")


def test_a_setting_of_nat_is_read_back_as_it_was() -> None:
    assert Setting.from_json(NAT.to_json()) == NAT
