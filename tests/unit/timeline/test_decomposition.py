from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.timeline.decomposition import of_failover, of_removal, of_return, removed
from lvslab.timeline.events import Event
from lvslab.timeline.outage import Outage

from .handmade import I, advert, event, vip


def outage(end: float | None, start: float = 9.99) -> Outage:
    return Outage(start, end, 10.0, 13.0, 150, I, 0.0)


def takeover(t: float) -> list[object]:
    return [
        vip(t, "lvs2", added=True),
        event(t + 0.001, "lvs2", "arp.gratuitous", address="172.20.1.100", mac="02:00", dir="out"),
        event(t + 0.002, "lvs2", "vrrp.state", instance="VI_1", state="MASTER", priority=50),
    ]


def test_a_link_down_whose_last_advert_was_before_it() -> None:
    events = [advert(8.6, "lvs1"), advert(9.6, "lvs1"), *takeover(12.8)]
    split = of_failover(events, 10.0, "lvs1", outage(12.83))  # type: ignore[arg-type]
    assert split is not None
    assert [(p.until, round(p.seconds, 3)) for p in split.parts] == [
        ("last advert of lvs1", -0.4),
        # Decided when the address came at the latest, though it was told 2 ms after it.
        ("MASTER on lvs2", 3.2),
        ("VIP on lvs2", 0.0),
        ("gratuitous ARP from lvs2", 0.001),
        ("first good request", 0.029),
    ]
    assert split.seconds == pytest.approx(2.83)
    assert [p.note for p in split.parts if p.note] == ["(told 0.002 s later)"]


MAC1, MAC2, RS = "02:42:ac:14:01:01", "02:42:ac:14:01:02", "02:42:ac:14:01:0a"


def garp(t: float, node: str, mac: str) -> Event:
    return event(t, node, "arp.gratuitous", address="172.20.1.100", mac=mac, dir="out")


def arp(t: float, mac: str, was: str | None, node: str = "client") -> Event:
    more = {} if was is None else {"was": was}
    return event(t, node, "neigh", address="172.20.1.100", mac=mac, state="REACHABLE", **more)


def test_the_clients_arp_entry_is_a_part_with_the_directors_name() -> None:
    events = [
        advert(9.6, "lvs1"),
        arp(10.5, MAC1, None),  # confirmed, not changed
        vip(12.8, "lvs2", added=True),
        garp(12.801, "lvs2", MAC2),
        arp(12.803, MAC2, MAC1, node="rs1"),  # somebody else's entry
        arp(12.81, MAC2, MAC1),
        arp(12.82, MAC1, MAC2),
    ]
    split = of_failover(events, 10.0, "lvs1", outage(12.83), client="client")
    assert split is not None
    assert [(p.until, round(p.seconds, 3)) for p in split.parts] == [
        ("last advert of lvs1", -0.4),
        ("VIP on lvs2", 3.2),
        ("gratuitous ARP from lvs2", 0.001),
        ("ARP entry of client: lvs2", 0.009),
        ("first good request", 0.02),
    ]


def test_an_arp_entry_that_was_told_late_is_no_later_than_the_request_it_served() -> None:
    events = [garp(12.8, "lvs2", MAC2), arp(12.9, MAC2, MAC1)]
    split = of_failover(events, 10.0, "lvs1", outage(12.83), client="client")
    assert split is not None
    assert [(p.until, round(p.seconds, 3), p.note) for p in split.parts][1:] == [
        ("ARP entry of client: lvs2", 0.03, "(told 0.070 s later)"),
        ("first good request", 0.0, ""),
    ]


@pytest.mark.parametrize(
    ("mac", "macs", "named"),
    [
        (RS, {RS: "rs1"}, "ARP entry of client: rs1"),
        (RS, {}, f"ARP entry of client: {RS}"),
        (MAC1, {MAC1: "lvs1"}, None),  # back to the node that failed: not what ended the outage
    ],
)
def test_whose_the_mac_is_that_nobody_announced(
    mac: str, macs: dict[str, str], named: str | None
) -> None:
    events = [arp(12.0, mac, MAC2)]
    split = of_failover(events, 10.0, "lvs1", outage(13.0), client="client", macs=macs)
    assert split is not None
    assert [p.until for p in split.parts] == [*([named] if named else []), "first good request"]


def test_what_was_read_late_is_no_later_than_what_came_of_it() -> None:
    events = [
        advert(9.6, "lvs1"),
        event(12.8, "lvs2", "arp.gratuitous", address="172.20.1.100", mac="02:00", dir="out"),
        vip(12.83, "lvs2", added=True),
        event(12.84, "lvs2", "vrrp.state", instance="VI_1", state="MASTER", priority=50),
    ]
    split = of_failover(events, 10.0, "lvs1", outage(12.82))
    assert split is not None
    assert [(p.until, round(p.seconds, 3), p.note) for p in split.parts][1:] == [
        ("MASTER on lvs2", 3.2, "(told 0.040 s later)"),
        ("VIP on lvs2", 0.0, "(told 0.030 s later)"),
        ("gratuitous ARP from lvs2", 0.0, ""),
        ("first good request", 0.02, ""),
    ]


def test_a_client_that_asked_before_the_announcement_needs_none() -> None:
    events = [
        vip(12.8, "lvs2", added=True),
        event(12.83, "lvs2", "arp.gratuitous", address="172.20.1.100", mac="02:00", dir="out"),
    ]
    split = of_failover(events, 10.0, "lvs1", outage(12.82))
    assert split is not None
    assert [p.until for p in split.parts] == ["VIP on lvs2", "first good request"]


def test_a_state_that_was_told_before_the_address_keeps_its_time() -> None:
    events = [
        advert(9.6, "lvs1"),
        event(12.79, "lvs2", "vrrp.state", instance="VI_1", state="MASTER", priority=50),
        vip(12.8, "lvs2", added=True),
    ]
    split = of_failover(events, 10.0, "lvs1", outage(12.83))
    assert split is not None
    assert [(p.until, round(p.seconds, 3), p.note) for p in split.parts][1:3] == [
        ("MASTER on lvs2", 3.19, ""),
        ("VIP on lvs2", 0.01, ""),
    ]


def test_a_graceful_stop_whose_last_advert_comes_after_the_fault() -> None:
    events = [advert(9.6, "lvs1"), advert(10.01, "lvs1", priority=0), *takeover(10.82)]
    split = of_failover(events, 10.0, "lvs1", outage(10.85))  # type: ignore[arg-type]
    assert split is not None
    assert [round(p.seconds, 2) for p in split.parts][:2] == [0.01, 0.81]


def test_what_was_not_seen_is_left_out_and_the_sum_stays() -> None:
    split = of_failover([], 10.0, "lvs1", outage(13.0))
    assert split is not None
    assert [(p.since, p.until, p.seconds) for p in split.parts] == [
        ("fault", "first good request", 3.0)
    ]


def test_the_failed_node_itself_and_what_came_after_do_not_count() -> None:
    events = [
        event(10.5, "lvs1", "vrrp.state", instance="VI_1", state="MASTER", priority=100),
        *takeover(20.0),
    ]
    split = of_failover(events, 10.0, "lvs1", outage(13.0))  # type: ignore[arg-type]
    assert split is not None
    assert len(split.parts) == 1


def test_an_outage_without_an_end_cannot_be_split() -> None:
    assert of_failover([], 10.0, "lvs1", outage(None)) is None
    assert of_removal([], 10.0, "172.20.1.10", None) is None


@given(
    fault=st.floats(0, 10),
    last=st.none() | st.floats(-5, 30),
    marks=st.lists(
        st.tuples(
            st.floats(0, 30),
            st.sampled_from(["lvs2", "lvs3"]),
            st.sampled_from(["vip", "gone", "garp", "arp", "master"]),
        ),
        max_size=10,
    ),
    rest=st.floats(0, 20),
)
def test_the_parts_sum_to_the_whole(
    fault: float, last: float | None, marks: list[tuple[float, str, str]], rest: float
) -> None:
    make = {
        "vip": lambda t, n: vip(t, n, added=True),
        "gone": lambda t, n: vip(t, n, added=False),
        "garp": lambda t, n: garp(t, n, MAC2),
        "arp": lambda t, _: arp(t, MAC2, MAC1),
        "master": lambda t, n: event(t, n, "vrrp.state", instance="VI_1", state="MASTER"),
    }
    events = [make[kind](t, node) for t, node, kind in marks]
    if last is not None:
        events.append(advert(last, "lvs1"))
    end = fault + rest
    split = of_failover(events, fault, "lvs1", outage(end, start=fault), client="client")
    assert split is not None
    assert sum(p.seconds for p in split.parts) == pytest.approx(end - fault, abs=1e-6)
    assert split.seconds == pytest.approx(end - fault)
    # Only the last advert may lie before the fault.
    assert all(p.seconds >= 0 for p in split.parts[1:])


def test_the_way_back_shows_the_table_being_filled() -> None:
    events = [
        vip(21.0, "lvs1", added=True),
        garp(21.001, "lvs1", MAC1),
        arp(21.003, MAC1, MAC2),
        event(24.5, "lvs1", "lvs.rs", vs="172.20.1.100:80", rs="172.20.1.10:80", state="UP"),
        event(25.5, "lvs1", "lvs.rs", vs="172.20.1.100:80", rs="172.20.1.11:80", state="UP"),
    ]
    split = of_return(events, 20.0, "lvs1", outage(24.6), client="client")
    assert split is not None
    assert [(p.until, round(p.seconds, 2)) for p in split.parts] == [
        ("VIP on lvs1", 1.0),
        ("gratuitous ARP from lvs1", 0.0),
        ("ARP entry of client: lvs1", 0.0),
        ("a real server back in the table of lvs1", 3.5),
        ("first good request", 0.1),
    ]


@pytest.mark.parametrize("rs", ["172.20.1.10:80", "[172.20.1.10]:tcp:80"])
def test_a_removal_is_recognised_by_address(rs: str) -> None:
    down = event(20.0, "lvs1", "lvs.rs", vs="172.20.1.100:80", rs=rs, state="DOWN")
    assert removed(down, "172.20.1.10")
    assert not removed(down, "172.20.1.1")
    split = of_removal([down], 10.0, "172.20.1.10", 20.03)
    assert split is not None
    assert [(p.until, round(p.seconds, 2)) for p in split.parts] == [
        ("removed by lvs1", 10.0),
        ("last failure over", 0.03),
    ]
