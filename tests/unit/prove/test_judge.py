"""The judge, on what a real lab's nodes really saw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.prove.frames import REPLY, Frame
from lvslab.prove.judge import judge
from lvslab.prove.model import NodeState, Proof, Setting

from .cases import FOLDER, MADE, load

Found = list[tuple[str, str]]


def proof_of(case: str) -> Proof:
    return judge(*load(case))


def found(proof: Proof) -> Found:
    return [(b.kind, b.node) for b in proof.breaks]


def test_every_recording_is_used() -> None:
    assert {f.stem for f in FOLDER.iterdir()} == set(MADE)


def test_a_healthy_lab_is_proved_hop_by_hop() -> None:
    setting, captures = load("healthy")
    proof = judge(setting, captures)
    assert proof.proved
    assert proof.answers == {"02:42:ac:14:01:01": "lvs1"}
    assert proof.requests == 4
    assert [(s.name, s.proved, s.served, s.requests) for s in proof.servers] == [
        ("rs1", True, 2, 2),
        ("rs2", True, 2, 2),
    ]
    for server in proof.servers:
        path = server.path
        assert path is not None
        client, vip = ("172.20.1.200", path.port), ("172.20.1.100", 80)
        there, on, back = path.hops
        assert [(h.sender, h.receiver) for h in path.hops] == [
            ("client", "lvs1"),
            ("lvs1", server.name),
            (server.name, "client"),
        ]
        # Only the frame's addresses change on the way there; the answer is from the VIP itself.
        assert (there.source, there.target) == (on.source, on.target) == (client, vip)
        assert (back.source, back.target) == (vip, client)
        assert on.source_mac == there.target_mac == "02:42:ac:14:01:01"
        assert setting.macs[on.target_mac] == server.name == setting.macs[back.source_mac]
        assert all(h.arrived for h in path.hops)
        assert 0 == there.after < on.after < back.after < 1


@pytest.mark.parametrize(
    ("case", "breaks", "still_proved"),
    [
        ("no-vip", [("no-vip", "rs1")], {"rs2"}),
        ("lo-mask", [("lo-mask", "rs1")], {"rs2"}),
        ("nat", [("nat", "lvs1")], {"rs2"}),
        ("nat-served", [("nat", "lvs1"), ("answer-via-director", "lvs1")], {"rs2"}),
        ("tunnel", [("tunnel", "lvs1")], {"rs2"}),
        ("arp-flux", [("arp-flux", "rs1"), ("bypass", "rs1"), ("unreached", "rs2")], set()),
        ("two-holders", [("arp-flux", "lvs2")], {"rs1", "rs2"}),
        (
            "no-holder",
            [
                ("arp-none", "client"),
                ("not-forwarded", "lvs2"),
                ("unreached", "rs1"),
                ("unreached", "rs2"),
            ],
            set(),
        ),
        (
            "empty-table",
            [("not-forwarded", "lvs1"), ("unreached", "rs1"), ("unreached", "rs2")],
            set(),
        ),
        ("via-director", [("answer-via-director", "lvs1")], {"rs2"}),
        ("httpd-stopped", [("not-served", "rs1")], {"rs2"}),
    ],
)
def test_what_is_broken_is_named_and_nothing_else(
    case: str, breaks: Found, still_proved: set[str]
) -> None:
    proof = proof_of(case)
    assert not proof.proved
    assert found(proof) == breaks
    assert {s.name for s in proof.servers if s.proved} == still_proved


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("no-vip", ["sends it on", "ip address add 172.20.1.100/32 dev lo"]),
        ("lo-mask", ["172.20.1.100/16 on lo"]),
        ("nat", ["rewrites the destination to 172.20.1.10:80"]),
        ("tunnel", ["in a tunnel to 172.20.1.10"]),
        ("arp-flux", ["which only the director may", "it has the VIP on eth0"]),
        ("two-holders", ["lvs1 and lvs2 both answer"]),
        ("empty-table", ["refuses it (RST)"]),
        ("httpd-stopped", ["refuses the connection"]),
    ],
)
def test_the_cause_is_said(case: str, says: list[str]) -> None:
    first = proof_of(case).breaks[0]
    text = f"{first.what} {first.fix}"
    assert [part for part in says if part not in text] == []


def test_nat_is_broken_even_where_the_client_is_served() -> None:
    (rs1, _) = proof_of("nat-served").servers
    assert rs1.path is not None
    assert rs1.path.served
    assert [(h.sender, h.receiver) for h in rs1.path.hops] == [
        ("client", "lvs1"),
        ("lvs1", "rs1"),
        ("rs1", "lvs1"),
        ("lvs1", "client"),
    ]
    assert not rs1.proved


def test_arp_ignore_is_named_where_it_is_what_lets_a_server_answer() -> None:
    setting, captures = load("arp-flux")
    state = NodeState((("lo", "172.20.1.100/32"),), {"net.ipv4.conf.all.arp_ignore": "0"})
    first = judge(replace(setting, states={"rs1": state}), captures).breaks[0]
    assert "arp_ignore is 0" in first.fix


def test_no_state_is_needed_to_see_that_it_is_broken() -> None:
    for case in MADE:
        setting, captures = load(case)
        blind = judge(replace(setting, states={}), captures)
        assert blind.proved == (case == "healthy")
        assert {b.node for b in blind.breaks} == {b.node for b in judge(setting, captures).breaks}


@pytest.mark.parametrize("node", ["lvs1", "lvs2", "rs1", "client"])
def test_a_capture_that_is_not_whole_proves_nothing(node: str) -> None:
    setting, captures = load("healthy")
    cut = {**captures, node: captures[node][:-1]}
    cut[node] = [f for f in cut[node] if not _is_last(f, setting)]
    assert ("not-recorded", node) in found(judge(setting, cut))


def _is_last(frame: Frame, setting: Setting) -> bool:
    return frame.arp is not None and frame.arp.target_mac.replace(":", "") == setting.last_mark


def test_a_frame_that_did_not_arrive_is_lost_at_its_receiver() -> None:
    setting, captures = load("healthy")
    deaf = {**captures, "rs1": [f for f in captures["rs1"] if f.tcp is None]}
    assert found(judge(setting, deaf)) == [("lost", "rs1")]


def test_an_answer_seen_at_a_director_that_it_is_not_meant_for_is_no_break() -> None:
    # A bridge floods frames to a MAC address that it has not learnt yet.
    setting, captures = load("healthy")
    answers = [f for f in captures["rs1"] if f.tcp and f.tcp.source == ("172.20.1.100", 80)]
    flooded = {**captures, "lvs1": [*captures["lvs1"], *answers]}
    assert answers
    assert judge(setting, flooded).proved


def test_an_arp_entry_that_names_the_wrong_director_is_stale() -> None:
    setting, captures = load("healthy")
    answers = [f for f in captures["client"] if f.arp and f.arp.opcode == REPLY]
    assert answers
    rest = [f for f in captures["client"] if f not in answers]
    moved = [
        replace(f, arp=replace(f.arp, sender_mac="02:42:ac:14:01:02"))
        for f in answers
        if f.arp and f.arp.sender == setting.vip
    ]
    proof = judge(setting, {**captures, "client": [*rest, *moved]})
    assert ("stale-arp", "client") in found(proof)


def test_a_real_server_that_asks_as_the_vip_is_arp_flux() -> None:
    setting, captures = load("healthy")
    asked = next(f for f in captures["rs1"] if f.arp and f.arp.opcode == 1)
    assert asked.arp is not None
    mac = next(m for m, n in setting.macs.items() if n == "rs1")
    spoken = replace(
        asked, source_mac=mac, arp=replace(asked.arp, sender=setting.vip, sender_mac=mac)
    )
    proof = judge(setting, {**captures, "rs1": [*captures["rs1"], spoken]})
    assert found(proof) == [("arp-flux", "rs1")]


def test_a_node_that_is_off_was_not_captured_and_does_not_disturb_the_proof() -> None:
    setting, captures = load("healthy")
    assert judge(setting, {n: f for n, f in captures.items() if n != "lvs2"}).proved
    without = judge(setting, {n: f for n, f in captures.items() if n != "rs1"})
    assert found(without) == [("lost", "rs1")]
    assert {s.name for s in without.servers if s.proved} == {"rs2"}


def test_nothing_captured_is_not_proved() -> None:
    setting, captures = load("healthy")
    proof = judge(setting, {node: [] for node in captures})
    assert not proof.proved
    assert {kind for kind, _ in found(proof)} == {"not-recorded", "unreached"}


def test_over_tls_an_answer_is_what_follows_the_clients_second_words() -> None:
    setting, captures = load("healthy")
    secure = replace(setting, tls=True)
    # The recorded clients speak once: as if a handshake had been answered, and no request made.
    proof = judge(secure, captures)
    assert not proof.proved
    assert {kind for kind, _ in found(proof)} == {"not-served"}
    twice = {
        node: [f for frame in frames for f in _said_twice(frame, setting)]
        for node, frames in captures.items()
    }
    assert judge(secure, twice).proved
    assert judge(setting, twice).proved


def _said_twice(frame: Frame, setting: Setting) -> list[Frame]:
    asks = frame.tcp and frame.tcp.payload and frame.tcp.target == (setting.vip, setting.port)
    return [frame, frame] if asks else [frame]
