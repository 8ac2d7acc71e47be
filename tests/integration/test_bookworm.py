"""Nodes of the older Debian: keepalived 2.2, an older Python under the agent, an older httpd."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lvslab import topology
from lvslab.lab import lab_status

from .playing import play_out
from .proofs import in_node, opened

pytestmark = pytest.mark.engine


def test_a_lab_of_bookworm_serves_fails_over_and_heals(built: None, tmp_path: Path):
    shipped = topology.builtin("lvs-dr")
    assert shipped is not None
    file = tmp_path / "old.yaml"
    file.write_text(f"debian: bookworm\n{shipped.read_text()}")
    with opened(file, "old") as lab:
        status = lab_status(lab)
        assert status.healthy, status.reasons
        for name in lab.nodes:
            assert in_node(lab, name, "cat", "/etc/debian_version").startswith("12."), name
        told = in_node(lab, "lvs1", "sh", "-c", "keepalived --version 2>&1")
        assert re.search(r"^Keepalived v2\.2\.", told, re.MULTILINE)
        seen = play_out(lab, "lvs1", "link-down")
        assert seen.holders()[-1] == ("lvs2",)
