from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.report.terminal import Teller, closing, line
from lvslab.timeline.events import Event
from lvslab.timeline.result import analyse

from ..timeline import stories
from ..timeline.handmade import advert, as_events, event, vip


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (stories.fault(105.0), "   +0.000 s  lvs1     FAULT link-down"),
        (vip(108.4051, "lvs2", added=True), "   +3.405 s  lvs2     VIP 172.20.1.100 on"),
        (vip(104.9, "lvs1", added=False), "   -0.100 s  lvs1     VIP 172.20.1.100 off"),
        (
            event(108.0, "lvs2", "vrrp.state", instance="VI_1", state="MASTER", priority=50),
            "   +3.000 s  lvs2     VRRP VI_1: MASTER",
        ),
        (
            event(108.0, "lvs2", "arp.gratuitous", address="1.2.3.4", mac="02:01", dir="out"),
            "   +3.000 s  lvs2     gratuitous ARP: 1.2.3.4 is at 02:01",
        ),
        (
            event(108.0, "client", "neigh", address="1.2.3.4", mac="02:02", state="S", was="02:01"),
            "   +3.000 s  client   ARP entry: 1.2.3.4 is at 02:02, was at 02:01",
        ),
        (
            Event(104.98, "client", "client.lost", {"target": "v:80", "result": "timeout"}),
            "   -0.020 s  client   last good request to v:80 before the next one failed (timeout)",
        ),
        (
            Event(108.5, "client", "client.back", {"target": "v:80", "result": "ok"}),
            "   +3.500 s  client   first good request to v:80; none has failed since",
        ),
        (
            advert(105.01, "lvs1", priority=0),
            "   +0.010 s  lvs1     says goodbye: an advert of priority 0",
        ),
        (
            event(114.5, "lvs1", "lvs.rs", vs="v:80", rs="r:80", state="DOWN"),
            "   +9.500 s  lvs1     real server r:80 out of the table of v:80",
        ),
    ],
)
def test_lines(seen: Event, text: str) -> None:
    assert line(seen, 105.0) == text


def test_what_is_many_or_not_for_a_person_is_not_shown() -> None:
    for seen in (
        advert(105.0, "lvs1"),
        event(105.0, "rs1", "addr.add", interface="lo", address="172.20.1.100", vip=True),
        event(105.0, "client", "neigh", address="1.2.3.4", mac="02:02", state="REACHABLE"),
        event(105.0, "lvs1", "novel.thing", x=1),
        *as_events(stories.served(count=1)),
    ):
        assert line(seen, 105.0) is None


def test_before_the_fault_there_is_no_relative_time() -> None:
    assert (line(vip(99.0, "lvs1", added=True), None) or "").startswith(" " * 13 + "lvs1")


def test_closing_of_a_failover() -> None:
    text = "\n".join(closing(analyse(*stories.there_and_back())))
    for part in (
        "outage       3.400 s ± 0.020 s",
        "1250 at 50/s, deadline 1 s; 415 failed (415 timeout)",
        "VIP now      172.20.1.100 on lvs1",
        "bound        outage 2.805 to 3.805 s, give or take 0.25 s: 3 x 1 s",
        "verdict      within: measured 3.400 s ± 0.020 s",
        "-0.400 s  fault -> last advert of lvs1",
        "+3.421 s  sum",
        "the way back, healed 5.000 s after the fault",
        "outage       4.900 s ± 0.020 s",
        "a real server back in the table of lvs1",
        "second outage",
    ):
        assert part in text, part


def test_closing_of_a_crash_names_two_holders_and_teaches_why_that_is_not_well() -> None:
    text = "\n".join(closing(analyse(*stories.crash())))
    assert "none: every request was answered in time" in text
    assert "172.20.1.100 on lvs1 and lvs2" in text
    assert "two holders for 11.800 s" in text
    assert "No outage is not all well" in text


def test_closing_of_a_dead_httpd() -> None:
    text = "\n".join(closing(analyse(*stories.httpd_stop())))
    assert "degraded     50% of the requests failed for 11." in text
    assert "removed      by lvs1 after 11.500 s" in text
    assert "288 refused" in text


def test_a_verdict_that_is_not_within_says_why() -> None:
    run, events = stories.failover()
    dark = [e for e in events if e.kind != "probe.result"]
    out = "\n".join(closing(analyse(run, [*dark, *as_events(stories.served((105.0, 200.0)))])))
    assert "outage       not over when the recording ended" in out
    assert "verdict      OUTSIDE: measured not seen: no recovery within 15.000 s" in out
    early = "\n".join(closing(analyse(replace(run, flaws=("it broke",)), events)))
    assert "verdict      INCONCLUSIVE: measured 3.400 s ± 0.020 s: it broke" in early


def words(lines: list[str]) -> list[str]:
    return [text.split(None, 3)[3] for text in lines]


def tick(t: float) -> Event:
    """An event that is not told, but shows the clock."""
    return advert(t, "lvs2")


def test_the_teller_holds_what_came_before_the_fault_was_known_and_tells_it_in_order() -> None:
    teller = Teller()
    assert teller.tell(vip(90.0, "lvs1", added=True)) == []
    assert teller.tell(vip(105.003, "lvs1", added=False)) == []
    assert teller.tell(tick(106.0)) == []
    assert words(teller.tell(stories.fault(105.0))) == ["FAULT link-down", "VIP 172.20.1.100 off"]


def test_what_is_known_a_little_late_is_told_in_its_place() -> None:
    teller = Teller()
    teller.tell(stories.fault(105.0))
    up = event(106.02, "lvs1", "link", interface="eth0", up=True, running=True)
    assert words(teller.tell(up)) == ["FAULT link-down"]
    assert teller.tell(stories.healed(106.0)) == []
    assert words(teller.tell(tick(106.4))) == ["HEALED link-down", "eth0 up"]


def test_a_healing_that_takes_long_is_told_before_what_came_of_it() -> None:
    teller = Teller()
    teller.tell(stories.fault(105.0))
    teller.tell(tick(106.0))
    teller.tell(Event(107.0, "lvs1", "healing", {"fault": "keepalived-stop"}))
    started = event(107.1, "lvs1", "service.started", service="keepalived", pid=1)
    assert teller.tell(started) == []
    assert teller.tell(tick(108.5)) == []
    told = teller.tell(stories.healed(107.01))
    assert words(told) == ["HEALED link-down", "keepalived started"]


def test_a_healing_whose_end_does_not_come_holds_nothing_for_ever() -> None:
    teller = Teller()
    teller.tell(stories.fault(105.0))
    healing = Event(107.0, "lvs1", "healing", {"fault": "link-down"})
    assert words(teller.tell(healing)) == ["FAULT link-down"]
    teller.tell(vip(108.0, "lvs1", added=True))
    assert words(teller.tell(tick(112.1))) == ["VIP 172.20.1.100 on"]


def test_what_only_a_deadline_shows_is_said_to_come_late() -> None:
    teller = Teller()
    teller.tell(stories.fault(105.0))
    teller.tell(tick(105.4))
    data = {"target": "v:80", "result": "timeout"}
    (text,) = teller.tell(Event(104.98, "client", "client.lost", data))
    assert text.startswith("   -0.020 s  client   last good request to v:80")
    assert text.endswith("(timeout) (known only now)")
    assert teller.rest() == []


def test_an_announcement_is_told_once() -> None:
    teller = Teller()
    teller.tell(stories.fault(105.0))
    teller.rest()

    def garp(t: float) -> int:
        teller.tell(event(t, "lvs2", "arp.gratuitous", address="1.2.3.4", mac="02:01", dir="out"))
        return len(teller.rest())

    assert [garp(t) for t in (108.0, 108.001, 108.002, 113.0)] == [1, 0, 0, 1]


def test_no_lesson_where_there_was_nothing_to_learn_it_from() -> None:
    run, events = stories.failover()
    calm = [e for e in events if e.kind in ("fault.injected", "lab.initial")]
    result = analyse(replace(run, node="lvs2"), [*calm, *as_events(stories.served())])
    assert not any("table" in text for text in closing(result))
