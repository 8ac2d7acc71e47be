"""Who a role is."""

from __future__ import annotations

import random

import pytest

from lvslab.errors import FaultError
from lvslab.scenario.roles import Held, active, backup, nodes_of

from ..plan.specs import LVS1, LVS2, active_active, article, instance, member

ONE, OTHER = "172.20.1.100", "172.20.1.101"
#: Who holds what -> who is active, who is backup: of the article's pair.
PAIR: list[tuple[Held, str | None, str | None]] = [
    ({"lvs1": [ONE], "lvs2": []}, "lvs1", "lvs2"),
    ({"lvs1": [], "lvs2": [ONE]}, "lvs2", "lvs1"),
    # Both, after a crash: the first in the topology's order.
    ({"lvs1": [ONE], "lvs2": [ONE]}, "lvs1", "lvs2"),
    # Nobody: then the first by priority would be.
    ({"lvs1": [], "lvs2": []}, None, "lvs1"),
    ({}, None, "lvs1"),
]
#: The same, where each holds one VIP and backs the other's.
BOTH: list[tuple[Held, str | None, str | None]] = [
    ({"lvs1": [ONE], "lvs2": [OTHER]}, "lvs1", "lvs2"),
    ({"lvs1": [OTHER], "lvs2": [ONE]}, "lvs2", "lvs1"),
    ({"lvs1": [ONE, OTHER], "lvs2": []}, "lvs1", "lvs2"),
    # Nobody has the first VIP.
    ({"lvs1": [], "lvs2": [OTHER]}, "lvs2", "lvs1"),
]


@pytest.mark.parametrize(("held", "first", "second"), PAIR)
def test_of_a_pair(held: Held, first: str | None, second: str | None):
    assert (active(article(), held), backup(article(), held)) == (first, second)


@pytest.mark.parametrize(("held", "first", "second"), BOTH)
def test_of_two_that_back_each_other(held: Held, first: str | None, second: str | None):
    assert (active(active_active(), held), backup(active_active(), held)) == (first, second)


def test_the_backup_is_who_is_next_by_priority_among_the_idle():
    members = (
        member("lvs1", LVS1, 100),
        member("lvs2", LVS2, 50),
        member("lvs3", LVS2 + 1, 80),
    )
    spec = article(vrrp_instances=(instance(members=members),))
    assert backup(spec, {"lvs1": [ONE]}) == "lvs3"
    assert backup(spec, {"lvs1": [ONE], "lvs3": [OTHER]}) == "lvs2"


def test_one_alone_has_no_backup():
    spec = article(vrrp_instances=(instance(members=instance().members[:1]),))
    assert backup(spec, {"lvs1": [ONE]}) is None


def test_the_nodes_of_a_target():
    held = {"lvs1": [ONE], "lvs2": []}

    def nodes(target: str, seed: int = 0) -> list[str]:
        return nodes_of(target, article(), held, random.Random(seed))

    assert nodes("active_director") == ["lvs1"]
    assert nodes("backup_director") == ["lvs2"]
    assert nodes("every_director") == ["lvs1", "lvs2"]
    assert nodes("every_real_server") == ["rs1", "rs2"]
    assert nodes("rs2") == ["rs2"]
    assert {tuple(nodes("any_real_server", seed)) for seed in range(20)} == {("rs1",), ("rs2",)}


def test_a_role_that_nobody_has_is_said():
    with pytest.raises(FaultError, match="no node is the active_director now"):
        nodes_of("active_director", article(), {"lvs1": [], "lvs2": []}, random.Random(0))
