from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lvslab.errors import CancelledError, FaultError, NotReadyError
from lvslab.observe import recorder
from lvslab.observe.healing import heal
from lvslab.observe.session import CLIENT_BACK, CLIENT_LOST, run_fault
from lvslab.timeline.events import Event
from lvslab.timeline.result import FaultResult
from lvslab.topology.spec import CheckSpec

from ..plan.specs import article, instance, pool, virtual_server
from .simulated import VIP, Inline, SimCollector, World


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ThreadPoolExecutor", Inline)


def run(world: World, *args: Any, **kwargs: Any) -> FaultResult:
    kwargs.setdefault("seed", 1)
    return run_fault(world, *args, collector=SimCollector(world), **kwargs)  # type: ignore[arg-type]


def test_a_link_down_is_watched_until_it_is_settled_and_left() -> None:
    world = World()
    seen: list[Event] = []
    result = run(world, "lvs1", on_event=seen.append)
    assert result.run.fault == "link-down"
    assert result.verdict.outcome == "within"
    assert result.outage is not None
    assert 2.8 <= (result.outage.seconds or 0) <= 3.83
    assert result.holds_now == {VIP: ("lvs2",)}
    assert result.heal_t is None
    assert world.journal["lvs1"]
    assert world.probes_stopped
    kinds = [e.kind for e in seen]
    assert kinds.index("fault.injected") < kinds.index(CLIENT_LOST) < kinds.index(CLIENT_BACK)
    lost = next(e for e in seen if e.kind == CLIENT_LOST)
    assert lost.t == pytest.approx(result.outage.start)
    back = next(e for e in seen if e.kind == CLIENT_BACK)
    assert back.t == pytest.approx(result.outage.end)


def test_hold_heals_and_watches_the_way_back_with_its_second_outage() -> None:
    world = World()
    result = run(world, "lvs1", hold=12.0)
    assert result.heal_t is not None
    assert result.heal_t - result.fault_t == pytest.approx(12.0, abs=0.3)
    assert result.outage is not None
    assert result.outage_back is not None
    # lvs1 takes the VIP after 3.609 s with an empty table, its checks fill it after 9.
    assert result.outage_back.seconds == pytest.approx(9.0 - 3.609, abs=0.05)
    assert result.verdict_back is not None
    assert result.verdict_back.outcome == "within"
    assert result.holds_now == {VIP: ("lvs1",)}
    assert not world.journal.get("lvs1")


def test_then_heal_heals_as_soon_as_it_is_settled() -> None:
    world = World()
    result = run(world, "lvs1", "keepalived-stop", then_heal=True)
    assert result.heal_t is not None
    assert result.heal_t - result.fault_t < 5.0
    assert result.verdict.measured == pytest.approx(0.805, abs=0.03)


def test_a_crash_is_watched_until_the_takeover_though_nothing_fails() -> None:
    world = World()
    result = run(world, "lvs1", "keepalived-crash")
    assert result.outage is None
    assert result.verdict.outcome == "within"
    assert result.verdict_takeover is not None
    assert result.verdict_takeover.outcome == "within"
    assert result.holds_now == {VIP: ("lvs1", "lvs2")}


def test_the_way_back_from_a_crash_ends_when_one_alone_holds_the_vip() -> None:
    result = run(World(), "lvs1", "keepalived-crash", then_heal=True)
    assert result.heal_t is not None
    assert result.holds_now == {VIP: ("lvs1",)}
    # lvs1 had it all along; nobody waits for it to be added.
    assert result.run.recorded_until - result.heal_t < 9.0


def test_a_power_off_whose_node_cannot_answer() -> None:
    world = World()
    result = run(world, "lvs1", "power-off", then_heal=True)
    assert result.verdict.outcome == "within"
    assert (result.heal_t or 0) > result.fault_t
    assert [do for _, node, do in world.orders if node == "lvs1"].count("start") == 1
    assert "lvs1" not in world.off


def test_a_dead_httpd_is_watched_until_both_directors_have_removed_it() -> None:
    world = World()
    result = run(world, "rs1", then_heal=True)
    assert result.run.fault == "httpd-stop"
    assert result.verdict.outcome == "within"
    assert result.verdict.measured == pytest.approx(9.0, abs=0.1)
    assert result.disturbance is not None
    assert result.disturbance.share == pytest.approx(0.5, abs=0.02)
    assert result.outage_back is None


def test_a_lab_of_dns_alone_is_watched_over_both_protocols() -> None:
    members = pool(port=53, check=CheckSpec("DNS_CHECK"))
    both = tuple(virtual_server(port=53, protocol=p, members=members) for p in ("UDP", "TCP"))
    world = World(article(virtual_servers=both))
    result = run(world, "rs1", then_heal=True)
    assert result.run.fault == "dns-stop"
    assert result.run.targets == {f"{VIP}:53/udp": 2, f"{VIP}:53": 2}
    assert result.verdict.outcome == "within"
    assert result.verdict.measured == pytest.approx(9, abs=0.1)
    assert result.failed
    for reading in result.readings:
        assert (len(reading.there), reading.back) == (1, ())
        assert set(reading.shares) == {"rs1", "rs2"}


def test_a_fault_of_the_backup_is_no_outage() -> None:
    result = run(World(), "lvs2")
    assert result.outage is None
    assert result.verdict.outcome == "within"
    assert result.holds_now == {VIP: ("lvs1",)}


def test_without_preemption_the_way_back_does_not_wait_for_the_vip() -> None:
    members = tuple(replace(m, nopreempt=True) for m in instance().members)
    world = World(article(vrrp_instances=(instance(members=members),)))
    result = run(world, "lvs2", then_heal=True)
    assert result.outage_back is None
    assert not world.journal.get("lvs2")


def test_the_way_back_ends_when_the_tables_are_full_again_though_all_is_served() -> None:
    world = World()
    result = run(world, "lvs2", then_heal=True)
    assert result.outage is None
    back = [e.t for e in result.events if e.kind == "lvs.rs" and e.data["state"] == "UP"]
    assert len(back) == 2
    assert world.table["lvs2"] == {"rs1", "rs2"}


def test_the_phase_follows_the_seed_and_nothing_else() -> None:
    def moment(seed: int) -> float:
        result = run(World(), "lvs1", seed=seed)
        adverts = [e.t for e in result.events if e.kind == "vrrp.advert" and e.t < result.fault_t]
        return result.fault_t - max(adverts)

    phases = [moment(seed) for seed in range(8)]
    assert phases == [moment(seed) for seed in range(8)]
    assert max(phases) - min(phases) > 0.4
    assert all(0 <= p <= 1.05 for p in phases)


def test_no_fault_into_a_lab_that_does_not_serve_steadily() -> None:
    world = World()
    world.answering.discard("rs2")
    with pytest.raises(NotReadyError, match="requests fail: refused"):
        run(world, "lvs1")
    assert not world.journal
    assert world.probes_stopped


def test_no_fault_while_a_real_server_does_not_answer() -> None:
    world = World()
    world.table = {"lvs1": {"rs1"}, "lvs2": {"rs1"}}
    with pytest.raises(NotReadyError, match=r"no answer from 172\.20\.1\.11"):
        run(world, "lvs1")
    assert not world.journal


def test_no_fault_before_each_check_has_been_made_once() -> None:
    world = World()
    world.started = world.now
    # A second, up to delay_loop (6 s) of warm-up, and keepalived's own start.
    assert run(world, "rs1").fault_t >= world.started + 8.0


def test_a_request_that_fails_while_the_moment_is_awaited_puts_it_off() -> None:
    world = World()
    # Steady from 1001.1 on, and then an advert is waited for.
    world.at(1001.2, lambda: world.answering.discard("rs1"))
    world.at(1001.25, lambda: world.answering.add("rs1"))
    result = run(world, "lvs1")
    assert result.readings[0].before
    assert result.fault_t > 1002.2
    assert result.verdict.outcome == "within"


def test_no_second_fault_into_one_node() -> None:
    world = World()
    world.journal["lvs1"] = [{"fault_id": "x", "fault": "freeze"}]
    with pytest.raises(FaultError, match="freeze is in lvs1 already") as caught:
        run(world, "lvs1")
    assert caught.value.fix == "lvslab heal lvs1"


def test_ctrl_c_leaves_the_fault_says_so_and_stops_the_probe() -> None:
    world = World()
    world.interrupt_at = 1006.0
    with pytest.raises(CancelledError, match="the fault is left: link-down in lvs1") as caught:
        run(world, "lvs1")
    assert caught.value.fix == "heal it with: lvslab heal lvs1"
    assert world.journal["lvs1"]
    assert world.probes_stopped


def test_ctrl_c_heals_what_was_to_be_healed() -> None:
    world = World()
    world.interrupt_at = 1006.0
    with pytest.raises(CancelledError, match="was healed"):
        run(world, "lvs1", hold=30.0)
    assert not world.journal.get("lvs1")
    assert world.probes_stopped


def test_ctrl_c_before_the_fault_injects_nothing() -> None:
    world = World()
    world.interrupt_at = 1000.5
    with pytest.raises(CancelledError, match="before the fault"):
        run(world, "lvs1")
    assert not world.journal
    assert world.probes_stopped


def test_a_starved_probe_gives_no_verdict() -> None:
    world = World()
    world.late = 0.9
    result = run(world, "lvs1")
    assert result.verdict.outcome == "inconclusive"


def test_heal_asks_the_journals_and_starts_what_has_ended() -> None:
    world = World()
    world.journal["rs1"] = [
        {"fault_id": "a", "fault": "freeze"},
        {"fault_id": "b", "fault": "httpd-stop"},
    ]
    world.off.add("lvs2")
    done = heal(world)  # type: ignore[arg-type]
    assert [(h.node, h.started, h.faults) for h in done] == [
        ("lvs2", True, ()),
        ("rs1", False, ("httpd-stop", "freeze")),
    ]
    assert not world.journal.get("rs1")
    assert heal(world) == []  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="no node 'rs9'"):
        heal(world, "rs9")  # type: ignore[arg-type]
