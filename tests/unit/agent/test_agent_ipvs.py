"""IPVS's messages as a kernel really sent them (6.12), and what is told of their changes."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from lvslab.agent import ipvs_netlink, ipvs_watch, rtnl
from lvslab.agent.ipvs_netlink import Reader
from lvslab.agent.loop import Loop

# 172.20.1.100:80 rr; of it 172.20.1.11:80 and 172.20.1.10:80, direct routing, weight 1, 4 inactive.
SERVICE = (
    "010100002c0101000600010002000000060002000600000014000300ac140164000000000000000000000000"
    "060004000050000007000600727200000c00070002000000ffffffff080008000000000008000900ffffffff"
    "5c000a000800010008000000080002002800000008000300000000000c000400280a0000000000000c000500"
    "0000000000000000080006000000000008000700020000000800080000000000080009007a00000008000a00"
    "000000007c000c000c00010008000000000000000c00020028000000000000000c0003000000000000000000"
    "0c000400280a0000000000000c00050000000000000000000c00060000000000000000000c00070002000000"
    "000000000c00080000000000000000000c0009007a000000000000000c000a000000000000000000"
)
SERVER_11 = (
    "050100005001020014000100ac14010b00000000000000000000000006000200005000000800030003000000"
    "080004000100000005000d000000000006000e000000000006000f0000000000080005000000000008000600"
    "0000000008000700000000000800080004000000080009000000000006000b00020000005c000a0008000100"
    "04000000080002001400000008000300000000000c00040014050000000000000c0005000000000000000000"
    "080006000000000008000700010000000800080000000000080009003d00000008000a00000000007c000c00"
    "0c00010004000000000000000c00020014000000000000000c00030000000000000000000c00040014050000"
    "000000000c00050000000000000000000c00060000000000000000000c00070001000000000000000c000800"
    "00000000000000000c0009003d000000000000000c000a000000000000000000"
)
SERVER_10 = SERVER_11.replace("ac14010b", "ac14010a")
WEIGHT, ACTIVE, INACTIVE = "08000400", "08000700", "08000800"
VIP = {"vip": "172.20.1.100", "port": 80, "protocol": "TCP"}
RS10 = VIP | {"server": "172.20.1.10", "server_port": 80}
RS11 = VIP | {"server": "172.20.1.11", "server_port": 80}


def with_(message: str, attribute: str, value: int) -> bytes:
    """A recorded message with another value in one attribute of the destination itself."""
    at = message.index(attribute) + len(attribute)
    return bytes.fromhex(message[:at] + struct.pack("=I", value).hex() + message[at + 8 :])


def server(address: str = SERVER_10, weight: int = 1, forward: int = 3, inactive: int = 4) -> bytes:
    message = with_(address, INACTIVE, inactive).hex()
    message = with_(message, "08000300", forward).hex()
    return with_(message, WEIGHT, weight)


class FakeSocket:
    """Answers with what a test says the table is, as the kernel does."""

    def __init__(self) -> None:
        self.table: list[tuple[bytes, list[bytes]]] = []
        self.asked = 0

    def services(self) -> list[bytes]:
        self.asked += 1
        return [service for service, _ in self.table]

    def servers(self, of: bytes) -> list[bytes]:
        return next(s for service, s in self.table if service[8 : 8 + len(of)] == of)

    def close(self) -> None:
        pass


class Watched:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sock = FakeSocket()
        self.sock.table = [(bytes.fromhex(SERVICE), [server(SERVER_11), server()])]
        self.now: float = 100.0
        monkeypatch.setattr(ipvs_netlink, "Socket", lambda: self.sock)
        monkeypatch.setattr(ipvs_watch, "now", lambda: self.now)
        self.events: list[tuple[str, float | None, dict[str, Any]]] = []
        self.watch = ipvs_watch.Watch(Loop(), self._emit)

    def _emit(self, ev: str, t: float | None = None, **fields: Any) -> None:
        self.events.append((ev, t, fields))

    def poll(self, seconds: float = 0.05) -> list[tuple[str, dict[str, Any]]]:
        self.events.clear()
        self.now += seconds
        self.watch._again()
        return [(ev, fields) for ev, _, fields in self.events]

    def servers(self, *servers: bytes) -> list[tuple[str, dict[str, Any]]]:
        self.sock.table[0] = (self.sock.table[0][0], list(servers))
        return self.poll()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(monkeypatch)
    watched.watch.watch(200.0)
    return watched


def test_a_service_and_its_servers_in_words() -> None:
    reader = Reader()
    service = reader.service(bytes.fromhex(SERVICE))
    assert service.fields == VIP | {"scheduler": "rr"}
    # What the kernel wants to be asked with: family, protocol, address and port, and no more.
    assert sorted(rtnl.attributes(service.ident, 0)) == [1, 2, 3, 4]
    payload = bytes.fromhex(SERVER_11)
    one = reader.server(service.family, reader.key(payload), payload)
    assert one.fields() == {"address": "172.20.1.11", "port": 80, "forward": "Route", "weight": 1}
    assert ipvs_netlink.connections(payload) == {"active": 0, "inactive": 4, "connections": 4}


def test_traffic_changes_no_key_and_configuration_does() -> None:
    reader = Reader()
    key = reader.key(server())
    assert key == reader.key(server(inactive=9)) == reader.key(with_(SERVER_10, ACTIVE, 7))
    assert len({key, reader.key(server(weight=2)), reader.key(server(forward=0))}) == 3
    # A kernel before 5.2 has no tunnel's attributes before the thresholds.
    tunnel = "05000d000000000006000e000000000006000f0000000000"
    older = bytes.fromhex(SERVER_10.replace(tunnel, ""))
    assert len(reader.key(older)) == len(key) - 24
    assert reader.server(2, reader.key(older), older).weight == 1
    # And one that says nothing of connections is compared whole.
    strange = bytes.fromhex(SERVER_10.replace(ACTIVE, "08004700"))
    assert strange.endswith(reader.key(strange))
    assert len(reader.key(strange)) == len(strange) - 8


def test_firewall_marks_are_services_too() -> None:
    attrs = rtnl.attribute(1, struct.pack("=H", 2)) + rtnl.attribute(5, struct.pack("=I", 7))
    nest = rtnl.attribute(1, attrs + rtnl.attribute(6, b"wlc\0") + bytes(80))
    service = Reader().service(b"\1\1\0\0" + nest)
    assert service.ident == attrs
    assert service.fields == {
        "vip": None,
        "port": 0,
        "protocol": "FWM",
        "fwmark": 7,
        "scheduler": "wlc",
    }


def test_a_watch_begins_with_the_whole_table_and_a_renewal_tells_it_again(
    watched: Watched,
) -> None:
    for _ in range(2):
        ((_, _, fields),) = [e for e in watched.events if e[0] == "ipvs.table"]
        assert fields["interval"] == ipvs_watch.INTERVAL
        (service,) = fields["table"]
        assert service["scheduler"] == "rr"
        assert [s["address"] for s in service["servers"]] == ["172.20.1.11", "172.20.1.10"]
        watched.events.clear()
        watched.watch.watch(300.0)


def test_what_does_not_change_is_not_told(watched: Watched) -> None:
    assert watched.servers(server(SERVER_11, inactive=50), server(inactive=51)) == []


def test_every_change_is_told_once_and_says_since_when(watched: Watched) -> None:
    before = watched.now
    eleven = server(SERVER_11)
    ((ev, fields),) = watched.servers(eleven, server(weight=5))
    assert ev == "ipvs"
    assert fields == RS10 | {
        "change": "weight",
        "forward": "Route",
        "weight": 5,
        "was": 1,
        "since": before,
    }
    assert watched.poll() == []
    ((_, fields),) = watched.servers(eleven, server(weight=5, forward=0))
    assert (fields["change"], fields["forward"], fields["was"]) == ("forward", "Masq", "Route")
    ((_, fields),) = watched.servers(eleven)
    assert fields.items() >= {"change": "removed", "weight": None, "was": 5}.items()
    ((_, fields),) = watched.servers(eleven, server())
    assert fields.items() >= (RS10 | {"change": "added", "weight": 1, "was": None}).items()


def test_a_service_that_goes_takes_its_servers_along_and_comes_back_with_them(
    watched: Watched,
) -> None:
    table = watched.sock.table
    watched.sock.table = []
    gone = watched.poll()
    assert [(ev, f["change"]) for ev, f in gone] == [
        ("ipvs", "removed"),
        ("ipvs", "removed"),
        ("ipvs.service", "removed"),
    ]
    watched.sock.table = table
    assert [(ev, f["change"]) for ev, f in watched.poll()] == [
        ("ipvs.service", "added"),
        ("ipvs", "added"),
        ("ipvs", "added"),
    ]


def test_connections_once_a_second(watched: Watched) -> None:
    assert watched.poll(0.9) == []
    watched.sock.table[0] = (watched.sock.table[0][0], [server(SERVER_11, inactive=6), server()])
    ((ev, fields),) = watched.poll(0.1)
    assert ev == "ipvs.conns"
    counts = {"active": 0, "connections": 4}
    assert fields["servers"] == [RS11 | counts | {"inactive": 6}, RS10 | counts | {"inactive": 4}]


def test_a_watch_ends_and_the_next_one_begins_anew(watched: Watched) -> None:
    watched.now = 199.99
    watched.poll(0.02)
    asked = watched.sock.asked
    assert watched.poll() == []
    assert watched.sock.asked == asked
    watched.sock.table = []
    watched.watch.watch(400.0)
    assert [ev for ev, _, _ in watched.events] == ["ipvs.table"]


def test_a_kernel_without_ipvs_is_a_warning_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)

    def missing() -> FakeSocket:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(ipvs_netlink, "Socket", missing)
    watched.watch.watch(200.0)
    ((ev, _, fields),) = watched.events
    assert ev == "agent.warning"
    assert "IPVS" in fields["what"]
