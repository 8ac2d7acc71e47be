"""Parsers, against what the kernel and keepalived really said (recorded)."""

from __future__ import annotations

import socket

import pytest

from lvslab.agent import fetch, fifo, ipvs, netlink, packets, rtnl, services, state

GARP = bytes.fromhex(
    "ffffffffffff2ea67cc0177e080600010800060400012ea67cc0177eac140164ffffffffffffac140164"
)
ADVERT_0 = bytes.fromhex(
    "01005e0000122ea67cc0177e080045c0002800010000ff702d7dac140101e0000012"
    "213364010001cd51ac1401640000000000000000"
).replace(bytes.fromhex("213364"), bytes.fromhex("213300"))
ADVERT_100 = ADVERT_0.replace(bytes.fromhex("213300"), bytes.fromhex("213364"))
# IGMP: an IP header with options, as a VRRP packet could have one.
IGMP = bytes.fromhex(
    "01005e0000162ea67cc0177e080046c0002800004000010256e4ac140101e0000016940400002200f9eb"
    "0000000104000000e0000012"
)
ARP_REQUEST = GARP[:38] + bytes([172, 20, 1, 1])


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            'INSTANCE "VI_1" MASTER 100\n',
            ("vrrp.state", {"instance": "VI_1", "state": "MASTER", "priority": 100}),
        ),
        (
            'GROUP "G1" BACKUP 50',
            ("vrrp.group", {"group": "G1", "state": "BACKUP", "priority": 50}),
        ),
        (
            "VS [172.20.1.100]:tcp:80 UP",
            ("lvs.vs", {"vs": "172.20.1.100:80", "state": "UP"}),
        ),
        (
            "RS [172.20.1.10]:tcp:80 [172.20.1.100]:tcp:80 DOWN",
            ("lvs.rs", {"vs": "172.20.1.100:80", "rs": "172.20.1.10:80", "state": "DOWN"}),
        ),
        (
            "RS [172.20.1.10]:udp:53 [172.20.1.100]:udp:53 UP",
            ("lvs.rs", {"vs": "172.20.1.100:53/udp", "rs": "172.20.1.10:53/udp", "state": "UP"}),
        ),
        (
            "RS [fd00::10]:tcp:80 [fd00::100]:tcp:80 UP",
            ("lvs.rs", {"vs": "[fd00::100]:80", "rs": "[fd00::10]:80", "state": "UP"}),
        ),
        ('INSTANCE "VI 2" FAULT', ("vrrp.state", {"instance": "VI 2", "state": "FAULT"})),
        ("INSTANCE broken", None),
        ("", None),
        ("WHAT is this", None),
    ],
)
def test_fifo_lines(line: str, event: tuple[str, dict[str, str | int]] | None) -> None:
    parsed = fifo.parse(line)
    if event is None:
        assert parsed is None
    else:
        assert parsed is not None
        assert parsed[0] == event[0]
        assert event[1].items() <= parsed[1].items()


# As net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show(), prints it.
TABLE = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  AC140164:0050 rr\x20
  -> AC14010B:0050      Route   1      0          7         \x20
  -> AC14010A:0050      Route   3      2          148       \x20
UDP  AC140164:0035 wlc ops persistent 300 FFFFFFFF
FWM  00000007 sh persistent 50 FFFFFF00
TCP  [fd00:0000:0000:0000:0000:0000:0000:0100]:01BB wrr\x20
  -> [fd00:0000:0000:0000:0000:0000:0000:0010]:01BB      Masq    0      0          0         \x20
"""


def test_ipvs_table() -> None:
    first, second, third, fourth = ipvs.parse(TABLE)
    assert first == {
        "vip": "172.20.1.100",
        "port": 80,
        "protocol": "TCP",
        "scheduler": "rr",
        "flags": [],
        "persistence": None,
        "servers": [
            {"address": "172.20.1.11", "port": 80, "forward": "Route"}
            | {"weight": 1, "active": 0, "inactive": 7},
            {"address": "172.20.1.10", "port": 80, "forward": "Route"}
            | {"weight": 3, "active": 2, "inactive": 148},
        ],
    }
    assert (second["protocol"], second["flags"], second["persistence"]) == ("UDP", ["ops"], 300)
    assert (third["protocol"], third["fwmark"], third["persistence"]) == ("FWM", 7, 50)
    assert third["vip"] is None
    assert (fourth["port"], fourth["servers"][0]["weight"]) == (443, 0)
    assert ipvs.parse("") == []


def test_frames() -> None:
    assert packets.parse(GARP, outgoing=True) == (
        "arp.gratuitous",
        {"address": "172.20.1.100", "mac": "2e:a6:7c:c0:17:7e", "dir": "out"},
    )
    assert packets.parse(ADVERT_100, outgoing=False) == (
        "vrrp.advert",
        {
            "vrid": 51,
            "priority": 100,
            "src": "172.20.1.1",
            "dir": "in",
            "version": 2,
            "dst": "224.0.0.18",
            "interval": 1.0,
            "auth": "none",
            "vips": ["172.20.1.100"],
        },
    )
    assert packets.parse(ARP_REQUEST, outgoing=True) is None
    assert packets.parse(IGMP, outgoing=True) is None
    for length in range(len(ADVERT_100)):
        packets.parse(ADVERT_100[:length], outgoing=False)


def bpf(program: list[tuple[int, int, int, int]], frame: bytes) -> int:
    """Run a classic BPF program, the opcodes of linux/bpf_common.h that it may use."""
    a = x = at = 0
    while True:
        code, true, false, k = program[at]
        at += 1
        if code in (0x28, 0x20, 0x30, 0x50):
            size = {0x28: 2, 0x20: 4, 0x30: 1, 0x50: 1}[code]
            start = k + (x if code == 0x50 else 0)
            if start + size > len(frame):
                return 0
            a = int.from_bytes(frame[start : start + size], "big")
        elif code == 0xB1:
            x = (frame[k] & 0xF) * 4
        elif code in (0x15, 0x1D):
            at += true if a == (k if code == 0x15 else x) else false
        elif code == 0x07:
            x = a
        else:
            assert code == 0x06
            return k


@pytest.mark.parametrize(
    ("frame", "always", "watching"),
    [
        (GARP, True, True),
        (ARP_REQUEST, False, False),
        (ADVERT_0, True, True),
        (ADVERT_100, False, True),
        (IGMP, False, False),
        (b"\0" * 60, False, False),
    ],
)
def test_packet_filter(frame: bytes, always: bool, watching: bool) -> None:
    assert bool(bpf(packets.program(every_advert=False), frame)) is always
    assert bool(bpf(packets.program(every_advert=True), frame)) is watching


def test_packet_filter_finds_the_priority_behind_ip_options() -> None:
    options = b"\x94\x04\0\0"
    head = ADVERT_0[:14] + b"\x46" + ADVERT_0[15:34] + options
    assert bpf(packets.program(every_advert=False), head + b"\x21\x33\x00\x01") > 0
    assert bpf(packets.program(every_advert=False), head + b"\x21\x33\x64\x01") == 0


NAMES = {1: "lo", 2: "eth0"}
DEFAULT_ROUTE = "02000000fe0300010000000008000f00fe00000008000500ac1400fe0800040002000000"
TABLE_300 = (
    "02100000fc03fd010000000008000f002c010000080001000a08000008000600070000000800040002000000"
)
VIP_ADDRESS = (
    "022080000200000008000100ac14016408000200ac140164090003006574683000000000"
    "080008008000000014000600ffffffffffffffff5e6a04005e6a0400"
)
VIP_ROUTE = (
    "02200000ff02fe020000000008000f00ff00000008000100ac14016408000700ac1401640800040002000000"
)
PERMANENT = (
    "02000000020000008000000108000100ac1409090a0002000200000000090000080004000000000014000300"
    "f5010000f5010000f501000000000000"
)


def test_routes_in_words() -> None:
    say = state._route
    assert say(bytes.fromhex(DEFAULT_ROUTE), NAMES) == (
        "default via 172.20.0.254 dev eth0 table 254 type 1 scope 0 proto 3 tos 0"
    )
    # A table above 255 is in an attribute; the byte in the header then says 252.
    assert say(bytes.fromhex(TABLE_300), NAMES) == (
        "10.8.0.0/16 dev eth0 metric 7 table 300 type 1 scope 253 proto 3 tos 0"
    )


def test_addresses_and_neighbours_in_words() -> None:
    said = state._address(bytes.fromhex(VIP_ADDRESS), NAMES)
    assert said == "172.20.1.100/32 dev eth0 scope 0"
    permanent = bytes.fromhex(PERMANENT)
    assert state._neighbour(permanent, NAMES) == "172.20.9.9 lladdr 02:00:00:00:00:09 dev eth0"
    reachable = permanent[:8] + b"\x02" + permanent[9:]
    assert state._neighbour(reachable, NAMES) is None


def test_what_is_keepaliveds_is_not_put_back() -> None:
    vips = frozenset({"172.20.1.100"})
    owned = state._keepaliveds
    assert owned("addresses", bytes.fromhex(VIP_ADDRESS), vips)
    assert not owned("addresses", bytes.fromhex(VIP_ADDRESS), frozenset())
    assert owned("routes", bytes.fromhex(VIP_ROUTE), frozenset()), "the kernel makes these"
    assert not owned("routes", bytes.fromhex(DEFAULT_ROUTE), vips)


def test_volatile_parts_do_not_differ() -> None:
    # RTNH_F_LINKDOWN, and the time stamps in IFA_CACHEINFO.
    down = bytearray.fromhex(DEFAULT_ROUTE)
    down[8] |= 16
    assert state._route(bytes(down), NAMES) == state._route(bytes.fromhex(DEFAULT_ROUTE), NAMES)
    older = VIP_ADDRESS.replace("5e6a0400", "00000000")
    assert state._address(bytes.fromhex(older), NAMES) == "172.20.1.100/32 dev eth0 scope 0"


def test_differences_name_what_differs() -> None:
    before = {
        "links": {"eth0": {"up": True}},
        "qdiscs": ["noqueue"],
        "sysctls": {"a": "1"},
        "processes": {},
        "addresses": {},
        "routes": {"default via x": "00"},
        "rules": {},
        "neighbours": {},
    }
    after = before | {"routes": {"10/8": "00"}, "sysctls": {"a": "0"}, "qdiscs": []}
    assert state.differences(before, before) == []
    assert state.differences(before, after) == [
        "qdiscs: gone: noqueue",
        "sysctls: a: 1 is now 0",
        "routes: gone: default via x",
        "routes: new: 10/8",
    ]
    assert state.visible(before)["routes"] == ["default via x"]


def test_netlink_messages_and_attributes() -> None:
    body = bytes.fromhex(VIP_ADDRESS)
    length = (16 + len(body)).to_bytes(4, "little")
    message = length + (20).to_bytes(2, "little") + b"\0" * 10 + body
    assert list(rtnl.messages(message * 2)) == [(20, body)] * 2
    assert next(rtnl.messages(message[:-8]))[0] == 20, "cut: what is there, no endless loop"
    assert list(rtnl.messages(b"\0" * 64)) == []
    attrs = rtnl.attributes(body, rtnl.ADDR.size)
    assert rtnl.address(attrs[rtnl.IFA_LOCAL]) == "172.20.1.100"
    assert rtnl.name(attrs[rtnl.IFA_LABEL]) == "eth0"
    packed = rtnl.attribute(rtnl.IFA_LABEL, b"eth0\0")
    assert len(packed) % 4 == 0
    assert rtnl.attributes(packed, 0) == {rtnl.IFA_LABEL: b"eth0\0"}


def test_monitor_reports_changes_once() -> None:
    events: list[tuple[str, dict[str, object]]] = []

    def emit(ev: str, t: float | None = None, **fields: object) -> None:
        events.append((ev, fields))

    monitor = netlink.Monitor(["172.20.1.100", "172.20.9.9"], emit)
    take = monitor._take
    link = rtnl.LINK.pack(0, 1, 2, rtnl.IFF_UP, 0) + rtnl.attribute(rtnl.IFLA_IFNAME, b"eth0\0")
    monitor._links.clear()
    monitor._addresses.clear()
    take(rtnl.NEW_LINK, link, 1.0, report=True)
    take(rtnl.NEW_LINK, link, 1.0, report=True)
    for kind in (rtnl.NEW_ADDR, rtnl.NEW_ADDR, rtnl.DEL_ADDR, rtnl.DEL_ADDR, rtnl.NEW_ADDR):
        take(kind, bytes.fromhex(VIP_ADDRESS), 2.0, report=True)
    take(rtnl.NEW_NEIGH, bytes.fromhex(PERMANENT), 3.0, report=True)
    take(rtnl.NEW_NEIGH, bytes.fromhex(PERMANENT), 3.0, report=True)
    assert [ev for ev, _ in events] == ["link", "addr.add", "addr.del", "addr.add", "neigh"]
    assert events[0][1] == {"interface": "eth0", "up": True, "running": False}
    assert events[1][1] == {"interface": "eth0", "address": "172.20.1.100/32", "vip": True}
    assert monitor.vips_on(loopback=False) == ["172.20.1.100"]
    assert monitor.vips_on(loopback=True) == []
    assert monitor.neighbours["172.20.9.9"] == ("02:00:00:00:00:09", "PERMANENT")


def test_a_neighbour_whose_mac_changes_says_which_it_had() -> None:
    events: list[dict[str, object]] = []
    monitor = netlink.Monitor(["172.20.9.9"], lambda ev, t=None, **fields: events.append(fields))
    first = bytes.fromhex(PERMANENT)
    failed = first[:8] + b"\x20" + first[9:12] + rtnl.attribute(rtnl.NDA_DST, b"\xac\x14\x09\x09")
    second = first.replace(bytes.fromhex("020000000009"), bytes.fromhex("020000000008"))
    for payload in (first, failed, first, second, failed, first):
        monitor._take(rtnl.NEW_NEIGH, payload, 1.0, report=True)
    told = [(e["mac"], e["state"], e.get("was")) for e in events]
    nine, eight = "02:00:00:00:00:09", "02:00:00:00:00:08"
    assert told == [
        (nine, "PERMANENT", None),
        ("", "FAILED", None),
        (nine, "PERMANENT", None),
        (eight, "PERMANENT", nine),
        ("", "FAILED", None),
        (nine, "PERMANENT", eight),
    ]


LISTEN = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1060 1
   1: 0100007F:46A0 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 1466 1
"""


def test_listening_ports() -> None:
    assert services.parse_listening(LISTEN) == {80}
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        assert sock.getsockname()[1] in services.listening()


def page(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n".encode() + body


def test_answers() -> None:
    whole = page(b"from 172.20.1.10\n")
    for cut in range(len(whole)):
        assert fetch.answer(whole[:cut], ended=False) is None
    assert fetch.answer(whole, ended=False) == ("ok", "172.20.1.10", "")
    assert fetch.answer(b"", ended=True) == ("bad", "", "closed without an answer")
    assert fetch.answer(page(b"from x", length=9), ended=True) == ("bad", "", "answer cut short")
    assert fetch.answer(page(b"It works!"), ended=False) == ("bad", "", "not a page of the lab")
    refused = fetch.answer(page(b"from rs1", "503 Service Unavailable"), ended=False)
    assert refused == ("bad", "rs1", "status 503")
    unsized = b"HTTP/1.0 200 OK\r\n\r\nfrom rs2"
    assert fetch.answer(unsized, ended=False) is None
    assert fetch.answer(unsized, ended=True) == ("ok", "rs2", "")
    assert fetch.answer(b"x" * (fetch.ANSWER_LIMIT + 1), ended=False) is not None
