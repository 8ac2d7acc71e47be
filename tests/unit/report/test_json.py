from __future__ import annotations

import json
import re

import pytest

from lvslab.report import json as report
from lvslab.timeline.result import analyse

from ..timeline import stories

STORIES = [stories.failover, stories.there_and_back, stories.crash, stories.httpd_stop]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.__name__)
def test_it_is_json_and_has_exactly_the_documented_keys(story) -> None:
    made = report.to_dict(analyse(*story()))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    rows = re.findall(r"^\| ((?:``\w+``(?:, )?)+) \|", report.__doc__ or "", re.MULTILINE)
    documented = {key for row in rows for key in re.findall(r"``(\w+)``", row)} | {"holds_now"}
    assert set(made) == documented


def test_figures_of_a_run_there_and_back() -> None:
    made = report.to_dict(analyse(*stories.there_and_back()))
    assert made["fault"] == {"engine_t": 105.0, "healed": 5.0}
    assert made["outage"]["seconds"] == pytest.approx(3.4)
    assert made["outage"]["start"] == pytest.approx(0.001)
    assert made["outage_back"]["seconds"] == pytest.approx(4.9)
    assert made["verdict"] == {
        "outcome": "within",
        "measured": made["outage"]["seconds"],
        "resolution": made["outage"]["resolution"],
        "reasons": [],
    }
    assert made["holds_now"] == {stories.VIP: ["lvs1"]}
    assert made["bound"]["upper"] == 3.805
    split = made["decomposition"]
    assert sum(p["seconds"] for p in split["parts"]) == pytest.approx(split["seconds"], abs=1e-5)


def test_what_was_not_seen_is_null() -> None:
    made = report.to_dict(analyse(*stories.crash()))
    assert made["outage"] is None
    assert made["decomposition"] is None
    assert made["verdict_back"] is None
    assert made["fault"]["healed"] is None
