from __future__ import annotations

import pytest

from lvslab.faults import registry
from lvslab.timeline.promises import all_of
from lvslab.topology import builtin, load


def figures(name: str) -> dict[str, tuple[float, float]]:
    path = builtin(name)
    assert path is not None
    return {p.what: (round(p.bound.low, 3), round(p.bound.high, 3)) for p in all_of(load(path))}


def test_those_of_the_article():
    found = figures("lvs-dr")
    assert found["lvs1 falls silent: lvs2 takes over"] == (2.805, 3.805)
    assert found["lvs1 says goodbye: lvs2 takes over"] == (0.805, 0.805)
    assert found["a real server is removed: its port refuses"] == (9.0, 15.0)
    assert found["a real server is removed: it accepts and says nothing"] == (21.0, 27.0)
    assert found["lvs1's link is back: its table is still empty"] == (2.391, 8.391)


def test_with_nat_a_link_that_comes_back_finds_its_table_full():
    found, direct = figures("lvs-nat"), figures("lvs-dr")
    assert found.pop("lvs1's link is back: its table stayed full") == (0.0, 0.0)
    del direct["lvs1's link is back: its table is still empty"]
    lost = "lvs1 loses the inside network and says goodbye: lvs2 takes over"
    assert found.pop(lost) == (0.805, 0.805)
    # Its checks were lost with that one; an attempt of 3 s may be under way when it is back.
    back = "lvs1's inside link is back: its table is still empty"
    assert found.pop(back) == (2.391, 11.391)
    assert found == direct
    assert figures("lvs-tun") == figures("lvs-dr")


def test_what_is_lost_with_the_inside_network_can_be_shown():
    path = builtin("lvs-nat")
    assert path is not None
    spec = load(path)
    shown = {p.what: p.fault for p in all_of(spec) if p.fault == "inside-link-down"}
    assert len(shown) == 2
    assert registry.choose(spec, "lvs1", "inside-link-down")[1].name == "lvs1"


def test_every_instance_and_every_virtual_server_is_there():
    path = builtin("active-active")
    assert path is not None
    of = {p.of.split(" ")[0] for p in all_of(load(path))}
    assert of == {"VI_1", "VI_2", "172.22.1.101:80", "172.22.1.102:80"}


@pytest.mark.parametrize("name", ["lvs-dr", "lvs-dr-fast", "active-active", "lvs-nat"])
def test_each_has_its_arithmetic_and_its_why(name: str):
    path = builtin(name)
    assert path is not None
    for one in all_of(load(path)):
        assert one.bound.formula
        assert one.bound.why
        assert 0 <= one.bound.low <= one.bound.high
