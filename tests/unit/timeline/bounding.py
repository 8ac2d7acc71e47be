"""What the tests of bounds share."""

from __future__ import annotations

from typing import Any

import pytest

from lvslab.timeline import bounds
from lvslab.timeline.bound import Bound
from lvslab.topology.spec import CheckSpec, TopologySpec
from tests.unit.plan import specs

ARTICLE = specs.article()
ARTICLE_CHECK = CheckSpec("HTTP_GET")


def with_check(check: CheckSpec | None, **changes) -> TopologySpec:
    server = specs.virtual_server(members=specs.pool(check=check), **changes)
    return specs.article(virtual_servers=(server,))


def ends(bound: Bound | None) -> Any:
    assert bound is not None
    return pytest.approx((bound.low, bound.high), abs=0.0006)


def second(spec: TopologySpec, **changes) -> Bound:
    return bounds.second_outage_after_link_return(spec, spec.vrrp_instances[0], "lvs1", **changes)
