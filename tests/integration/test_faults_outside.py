"""Faults that lie outside the node, done through the engine: what each really does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvslab.lab import Lab
from lvslab.observe.healing import heal
from lvslab.observe.session import inject_only
from lvslab.timeline.result import removal_times

from .playing import failed, play, states
from .proofs import WHO_HAS, beside, in_node, mac_of, opened

pytestmark = pytest.mark.engine

#: Seconds that the offset of two clocks, read by two programs, may differ for their being two.
READ = 0.5


@pytest.fixture(scope="module")
def lab(built: None) -> Iterator[Lab]:
    with opened("lvs-dr-fast", "fast") as made:
        yield made


def test_a_pulled_cable_is_a_lost_director_that_keeps_its_routes(lab: Lab):
    seen = play(lab, "lvs1", "carrier-loss")
    assert seen.holders()[-1] == ("lvs2",)
    assert seen.result.verdict.outcome == "within", seen.result.verdict
    # Down it was for lack of a carrier; nobody took it down.
    first, *_ = seen.events("link", "lvs1", interface="eth0")
    assert (first.data["up"], first.data["running"]) == (True, False)


def test_a_real_server_whose_cable_is_pulled_is_removed(lab: Lab):
    seen = play(lab, "rs1", "carrier-loss")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert not failed(seen.answers(after=3.0))


def test_two_answer_for_the_vip_until_it_is_healed(lab: Lab):
    vip, before = str(lab.spec.vips[0]), states(lab)
    own = str(lab.spec.clients[0].address)
    with beside(lab, "client") as client:
        inject_only(lab, "rs1", "arp-flux")
        answers = client.python(WHO_HAS, vip, "3", own)
        assert set(answers) == {mac_of(lab, "lvs1"), mac_of(lab, "rs1")}
        (healed,) = [h for h in heal(lab) if h.node == "rs1"]
        assert healed.faults == ("arp-flux",)
        assert set(client.python(WHO_HAS, vip, "3", own)) == {mac_of(lab, "lvs1")}
    assert states(lab) == before


def test_nothing_fails_while_two_answer(lab: Lab):
    seen = play(lab, "rs1", "arp-flux")
    assert not removal_times(seen.result)
    assert seen.holders() == [("lvs1",)]
    vip = str(lab.spec.vips[0])
    # The director has said again that it is there.
    assert mac_of(lab, "lvs1") in in_node(lab, "client", "ip", "neigh", "show", vip)


def ahead(lab: Lab) -> float:
    """Return how far the clock of the day is ahead of the monotonic one."""
    program = "import time; print(time.time() - time.monotonic())"
    return float(in_node(lab, "lvs2", "python3", "-c", program))


def test_a_stepped_clock_moves_nothing_and_is_stepped_back(lab: Lab):
    before = ahead(lab)
    inject_only(lab, "lvs1", "clock-step", {"by": -7200})
    assert ahead(lab) == pytest.approx(before - 7200, abs=READ)
    heal(lab)
    assert ahead(lab) == pytest.approx(before, abs=READ)
    seen = play(lab, "lvs1", "clock-step", by=3600)
    assert seen.holders() == [("lvs1",)]
    assert not failed(seen.answers())
    assert ahead(lab) == pytest.approx(before, abs=READ)
