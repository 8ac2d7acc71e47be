"""A link that comes back costs a second outage, and what avoids it.

While its link is down a director's checks fail too, and remove every real server. With
preemption it takes the VIP back while its table is still empty.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab import topology
from lvslab.lab import Lab, lab_status
from lvslab.observe.session import run_fault
from lvslab.report.terminal import closing, line
from lvslab.timeline.checkbounds import rs_removed
from lvslab.timeline.result import FaultResult, removal_times
from lvslab.topology.spec import TopologySpec

from .proofs import opened

pytestmark = pytest.mark.engine


def emptied_after(spec: TopologySpec) -> float:
    """Return the seconds after which a director without a link has an empty table."""
    return max(
        rs_removed(m.check, vs.delay_loop, "refused").high
        for vs in spec.virtual_servers
        for m in vs.members
        if m.check
    )


def lose_the_link(lab: Lab) -> FaultResult:
    """Take the link of the director that holds the VIP away, until its table is surely empty."""
    (holder,) = (d.name for d in lab_status(lab).directors if d.holds)
    hold = emptied_after(lab.spec) + 3.0
    for again in (True, False):
        result = run_fault(lab, holder, "link-down", hold=hold)
        back = result.verdict_back
        assert back is not None
        if not again or "inconclusive" not in (result.verdict.outcome, back.outcome):
            break
        print("disturbed, once more:", result.verdict, back)
    told = (line(e, result.fault_t) for e in result.events)
    print("\n".join(text for text in told if text))
    print("\n".join(closing(result)))
    assert result.verdict.outcome == "within", result.verdict
    assert result.heal_t is not None
    removed = {
        e.data["rs"]
        for e in result.events
        if e.kind == "lvs.rs"
        and e.node == holder
        and e.data["state"].upper() == "DOWN"
        and result.fault_t <= e.t < result.heal_t
    }
    assert len(removed) == 2, removed
    assert removal_times(result) == {}  # those are of a real server's fault
    return result


def changed(tmp_path: Path, more: str) -> Path:
    """Return the article's topology with quick checks, and another line in its VRRP instance."""
    shipped = topology.builtin("lvs-dr")
    assert shipped is not None
    text = shipped.read_text()
    for old, new in (
        ("    version: 2\n", f"    version: 2\n    {more}\n"),
        ("delay_loop: 6 ", "delay_loop: 1 "),
        ("retry: 3 ", "retry: 1 "),  # delay_before_retry, too
    ):
        assert text.count(old) >= 1, old
        text = text.replace(old, new)
    file = tmp_path / "lvs-dr.yaml"
    file.write_text(text)
    return file


def test_the_second_outage_is_measured_explained_and_within_its_bound(lab: Lab):
    result = lose_the_link(lab)
    promise, back = result.run.promise_back, result.verdict_back
    assert promise is not None
    assert back is not None
    # The table was surely empty: an outage is promised, not merely possible.
    assert 0 < promise.lower < promise.upper
    assert back.outcome == "within", back
    assert result.outage_back is not None
    assert (result.outage_back.seconds or 0) > 1.0
    split = result.decomposition_back
    assert split is not None
    ends = [p.until for p in split.parts]
    assert ends.index("VIP on lvs1") < ends.index("a real server back in the table of lvs1")
    # Most of it is the wait for a real server to be back in the table that is empty.
    waited = next(p for p in split.parts if p.until.startswith("a real server back"))
    assert waited.seconds > 0.5 * (result.outage_back.seconds or 0)
    text = "\n".join(closing(result))
    assert "the way back" in text
    assert "takes the VIP back" in text
    assert list(result.holds_now.values()) == [("lvs1",)]


@pytest.mark.parametrize(
    ("setting", "comes_back"), [("preempt_delay: 4", True), ("preempt: false", False)]
)
def test_there_is_none_where_the_vip_does_not_come_back_too_soon(
    built: None, tmp_path: Path, setting: str, comes_back: bool
):
    with opened(changed(tmp_path, setting), "calm") as lab:
        result = lose_the_link(lab)
        back = result.verdict_back
        assert back is not None
        assert back.outcome == "within", back
        # A connection of the moment at which the VIP moves may be lost; a table was never empty.
        assert (back.measured or 0.0) <= result.run.allowance
        ((holder,),) = result.holds_now.values()
        assert (holder == result.run.node) == comes_back
        status = lab_status(lab)
        assert status.healthy, status.reasons
