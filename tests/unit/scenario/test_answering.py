"""How many real servers answered, held to a number."""

from __future__ import annotations

import pytest

from lvslab.scenario.language import SentenceError

from .played import outcome, quiet, scenario


def test_the_real_servers_that_answered_are_counted():
    assert outcome(quiet(), "servers == 2") == "pass"
    assert outcome(quiet(), "servers >= 2") == "pass"
    assert outcome(quiet(), "servers <= 1") == "fail"
    assert outcome(quiet(), "servers == 1") == "fail"


def test_where_nothing_was_answered_none_can_be_counted():
    assert outcome(quiet(), "servers == 2 from 300s") == "inconclusive"


def test_a_part_of_a_real_server_is_none():
    with pytest.raises(SentenceError, match="whole number"):
        scenario("servers == 1.5")
