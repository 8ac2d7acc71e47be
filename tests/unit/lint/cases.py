"""Cases as files: ``# expect: LVS012`` in front, directors divided by ``# ---- lvs2``."""

from __future__ import annotations

import re
from pathlib import Path

from lvslab.conf import load_text
from lvslab.lint.inputs import budget_of
from lvslab.lint.model import Node, Setting
from lvslab.lint.run import Result, lint

HERE = Path(__file__).parent
MISTAKES = sorted((HERE / "mistakes").glob("*.conf"))
CORRECT = sorted((HERE / "correct").glob("*.conf"))


def run(text: str, budget: str = "", root: Path | None = None) -> Result:
    allowed = budget_of(budget)
    nodes = tuple(
        Node(f"lvs{i}", load_text(part, f"lvs{i}.conf", config_id=f"lvs{i}"), allowed, root)
        for i, part in enumerate(re.split(r"^# ---- lvs\d\n", text, flags=re.M), 1)
    )
    return lint(Setting(nodes, allowed))


def ids(result: Result) -> list[str]:
    return [f.rule.id for f in result.findings]


def header(text: str, key: str) -> str:
    match = re.search(rf"^# {key}: (.*)$", text, re.M)
    return match[1] if match else ""
