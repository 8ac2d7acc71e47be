from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.agent import arp
from lvslab.prove import pcap
from lvslab.prove.frames import REPLY, REQUEST, frame
from lvslab.prove.pcap import PcapError, Reader

from .cases import pcaps

CLIENT, LVS1 = "02:42:ac:14:01:c8", "02:42:ac:14:01:01"


@given(st.lists(st.integers(0, 6000), max_size=20))
def test_a_pcap_is_read_in_pieces_of_any_size(cuts: list[int]) -> None:
    data = pcaps("healthy")["client"]
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    reader = Reader("client")
    got = [f for a, b in pairwise(edges) for f in reader.feed(data[a:b])]
    assert got == pcap.read(data)
    assert len(got) > 10


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)])
def test_octet_order_and_fractions(order: str, magic: int, fraction: int) -> None:
    head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 128, 1)
    record = struct.pack(order + "IIII", 7, fraction, 3, 60) + b"abc"
    assert pcap.read(head + record + record[:-1]) == [(7.25, b"abc")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "not a pcap"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 113), "not Ethernet"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1) + b"\xff" * 16, "not a pcap"),
    ],
)
def test_what_is_no_pcap_of_ethernet_is_said(data: bytes, said: str) -> None:
    with pytest.raises(PcapError, match=said):
        pcap.read(data, "x.pcap")


def test_recorded_frames() -> None:
    frames = [frame(t, raw) for t, raw in pcap.read(pcaps("healthy")["client"])]
    asked = next(f for f in frames if f.arp and f.arp.opcode == REQUEST)
    answered = next(f for f in frames if f.arp and f.arp.opcode == REPLY)
    assert (asked.source_mac, asked.target_mac) == (CLIENT, "ff:ff:ff:ff:ff:ff")
    assert asked.arp is not None
    assert (asked.arp.sender, asked.arp.target) == ("172.20.1.200", "172.20.1.100")
    assert answered.arp is not None
    assert (answered.arp.sender, answered.arp.sender_mac) == ("172.20.1.100", LVS1)
    syn = next(f.tcp for f in frames if f.tcp)
    assert (syn.target, syn.flags, syn.payload, syn.ttl) == (("172.20.1.100", 80), 2, 0, 64)
    pages = [f.tcp.payload for f in frames if f.tcp and f.tcp.payload and f.tcp.source[1] == 80]
    assert len(pages) == 4
    assert min(pages) > 100  # the header and "from ADDRESS", though only 128 octets were kept


def test_a_tunnel_is_looked_into() -> None:
    frames = [frame(t, raw) for t, raw in pcap.read(pcaps("tunnel")["lvs1"])]
    inner = next(f.tcp for f in frames if f.tcp and f.tcp.tunnel)
    assert inner.tunnel == "172.20.1.10"
    assert inner.target == ("172.20.1.100", 80)


def test_cut_frames_are_read_as_far_as_they_go() -> None:
    for case in ("healthy", "tunnel"):
        for _, raw in pcap.read(pcaps(case)["lvs1"])[:12]:
            for length in range(len(raw)):
                frame(0.0, raw[:length])


@given(st.binary(max_size=120))
def test_no_octets_are_too_strange(raw: bytes) -> None:
    frame(0.0, raw)
    frame(0.0, bytes(12) + b"\x08\x00" + raw)
    frame(0.0, bytes(12) + b"\x08\x06" + raw)


def test_the_agents_question_is_read_back_with_its_mark() -> None:
    own, mark = bytes.fromhex("0242ac1401c8"), bytes.fromhex("010203040506")
    asked = frame(0.0, arp.question(own, "172.20.1.200", "172.20.1.100", mark)).arp
    assert asked is not None
    assert (asked.opcode, asked.target_mac) == (REQUEST, "01:02:03:04:05:06")
    assert (asked.sender, asked.sender_mac, asked.target) == (
        "172.20.1.200",
        CLIENT,
        "172.20.1.100",
    )
    replies = [raw for _, raw in pcap.read(pcaps("healthy")["client"]) if raw[12:14] == b"\x08\x06"]
    macs = [arp.answer(raw, own, "172.20.1.100") for raw in replies]
    assert set(macs) == {None, LVS1}
    assert all(arp.answer(raw, bytes(6), "172.20.1.100") is None for raw in replies)
