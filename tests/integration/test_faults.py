"""Every fault in every role: what it does, how long it lasts against its bound, and no trace.

The article's lab where the protocol's waiting is short; the fast one where the checks of the
article would take half a minute.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvslab.lab import Lab
from lvslab.timeline.holders import contested
from lvslab.timeline.outage import SILENCE
from lvslab.timeline.result import removal_times
from lvslab.timeline.run import ALLOWANCE

from .playing import play_out
from .proofs import opened

pytestmark = pytest.mark.engine

#: Topologies, and the names of their labs: those of the other tests, whose saves they share.
SLOW, QUICK = ("lvs-dr", "dr"), ("lvs-dr-fast", "fast")


@pytest.fixture(scope="module")
def a_lab(built: None, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of a shipped topology, for all tests of it; one machine at a time."""
    with opened(*request.param) as lab:
        yield lab


#: Fault -> (who holds the VIP in its kernel while the fault lasts, the client loses the VIP).
DIRECTOR = {
    "link-down": (("lvs2",), True),
    "keepalived-stop": (("lvs2",), True),
    "keepalived-kill": (("lvs2",), True),
    "keepalived-crash": (("lvs1", "lvs2"), False),
    "freeze": (("lvs1", "lvs2"), False),
    "power-off": (("lvs2",), True),
}
#: Fault -> how a request to the real server fails while it is still in the table.
REAL_SERVER = {
    # Those it was working on when it was told to stop are reset, or closed without an answer.
    "httpd-stop": {"refused", "reset", "bad"},
    "link-down": {"timeout", "late"},
    "freeze": {"timeout", "late"},
    "power-off": {"timeout", "late", "reset"},
}


def of_director(lab: Lab, fault: str) -> None:
    seen = play_out(lab, "lvs1", fault)
    holders, lost = DIRECTOR[fault]
    assert seen.holders()[-1] == holders
    taken = seen.events("addr.add", "lvs2", vip=True)
    assert taken
    goodbye = seen.events("vrrp.advert", "lvs1", priority=0)
    assert bool(goodbye) == (fault in ("keepalived-stop", "keepalived-kill"))
    promise = seen.result.run.promise
    assert promise is not None
    # Of less than SILENCE the client may notice nothing: its packets wait out the ARP of the
    # director that has lost the VIP, and are answered in time.
    if lost and promise.lower > SILENCE:
        assert seen.result.outage is not None
    (spans,) = seen.result.holders.values()
    assert bool([s for s in contested(spans) if s.end > taken[0].t]) or lost


in_the_article = pytest.mark.parametrize("a_lab", [SLOW], ids=["lvs-dr"], indirect=True)
in_the_fast_one = pytest.mark.parametrize("a_lab", [QUICK], ids=["fast"], indirect=True)


@in_the_article
@pytest.mark.parametrize("fault", ["link-down", "keepalived-stop"])
def test_of_the_active_director_in_the_article(a_lab: Lab, fault: str):
    of_director(a_lab, fault)


@in_the_fast_one
@pytest.mark.parametrize("fault", DIRECTOR)
def test_of_the_active_director(a_lab: Lab, fault: str):
    of_director(a_lab, fault)


@in_the_fast_one
def test_of_the_idle_director_costs_nothing(a_lab: Lab):
    seen = play_out(a_lab, "lvs2", "link-down")
    assert seen.result.outage is None
    assert seen.holders()[-1] == ("lvs1",)


@in_the_fast_one
@pytest.mark.parametrize("fault", REAL_SERVER)
def test_of_a_real_server(a_lab: Lab, fault: str):
    seen = play_out(a_lab, "rs1", fault)
    # Both directors took it out of their tables, and put it back after the heal.
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    back = {
        e.node
        for e in seen.result.events
        if e.kind == "lvs.rs" and e.t > seen.healed and e.data["state"].upper() == "UP"
    }
    assert back == {"lvs1", "lvs2"}
    # The VIP did not move, the other one went on serving, and only requests to rs1 failed.
    assert seen.holders()[-1] == ("lvs1",)
    found = seen.result.disturbance
    assert found is not None
    kinds = REAL_SERVER[fault] | {"late"}
    if any(e.t - seen.result.fault_t > ALLOWANCE for e in seen.events("service.exited", "rs1")):
        # Apache waits for a connection whose director failed in a test before this one; until it
        # has ended its port accepts and nobody answers.
        kinds.add("timeout")
    assert set(found.by_result) <= kinds
    assert not found.total or found.requests == 1
    assert seen.result.readings[0].shares["rs2"] > 0
