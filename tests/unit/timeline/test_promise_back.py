"""What is promised of the way back."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from lvslab.observe import expect
from lvslab.timeline import bounds
from lvslab.topology import builtin, load
from lvslab.topology.spec import TopologySpec

from ..plan.specs import article
from .stories import RUN

APART = IPv4Address("172.23.1.101")


def test_a_director_that_preempts_is_promised_its_second_outage() -> None:
    promise = expect.with_promise_back(article(), RUN, 30.0).promise_back
    assert promise is not None
    assert promise.upper == pytest.approx(12 - 3 - 156 / 256)


def test_one_that_is_alone_has_no_second_outage_but_the_rest_of_the_first() -> None:
    spec = article()
    (instance,) = spec.vrrp_instances
    alone = replace(
        spec,
        directors=spec.directors[:1],
        vrrp_instances=(replace(instance, members=instance.members[:1]),),
    )
    assert expect.with_promise_back(alone, RUN, 30.0).promise_back is None


@pytest.fixture
def nat() -> TopologySpec:
    path = builtin("lvs-nat")
    assert path is not None
    spec = load(path)
    (instance,) = spec.vrrp_instances
    # One more, on the clients' side alone: it has no address in the inside network.
    apart = replace(instance, name="VI_2", vrid=52, vips=(IPv4Interface(f"{APART}/32"),))
    return replace(spec, vrrp_instances=(instance, apart))


def test_with_nat_it_depends_on_the_link(nat: TopologySpec) -> None:
    run = replace(RUN, targets={vs.key: 2 for vs in nat.virtual_servers})
    nat = replace(nat, vrrp_instances=nat.vrrp_instances[:1])
    outer = expect.with_promise_back(nat, run, 30.0).promise_back
    inside = expect.with_promise_back(nat, replace(run, fault="inside-link-down"), 30.0)
    assert outer is not None
    assert (outer.lower, outer.upper) == (0, 0)
    assert inside.promise_back is not None
    # After 30 s every attempt has timed out, if that is how they fail: 6 + 4 x 3 + 3 x 3 s.
    low, high = 6 - 3 - 156 / 256, 15 - 3 - 156 / 256
    assert (inside.promise_back.lower, inside.promise_back.upper) == pytest.approx((low, high))
    # After 20 s they may all be in the table still (seen), after 8 s they surely are.
    for down_for, upper in ((20.0, high), (8.0, 0.0)):
        seen = expect.with_promise_back(nat, replace(run, fault="inside-link-down"), down_for)
        assert seen.promise_back is not None
        assert (seen.promise_back.lower, seen.promise_back.upper) == pytest.approx((0, upper))
    # Nothing is promised of a return that follows no lost link.
    assert expect.with_promise_back(nat, replace(run, fault="freeze"), 30.0).promise_back is None


def test_an_instance_without_an_address_in_the_inside_network_goes_on(nat: TopologySpec) -> None:
    gateway, apart = nat.vrrp_instances
    for instance, high in ((gateway, 206 / 256), (apart, 0)):
        bound = bounds.expected(nat, "inside-link-down", "lvs1", "lvs1", vip=instance.vips[0].ip)
        assert bound is not None
        assert (bound.low, bound.high) == (high, high)
    assert bounds.takeover(nat, "inside-link-down", "lvs1", "lvs1", vip=APART) is None
    second = bounds.second_outage_after_link_return(nat, apart, "lvs1", link="inside")
    assert second.high == 0
    # The backup has nothing to lose by it.
    of_backup = bounds.expected(nat, "inside-link-down", "lvs2", "lvs1")
    assert of_backup is not None
    assert of_backup.high == 0
