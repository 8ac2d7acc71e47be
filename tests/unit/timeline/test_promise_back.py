"""What is promised of the way back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.observe import expect

from ..plan.specs import article
from .stories import RUN


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
