"""docs/rules/ is made from the rules; run this file to make it anew."""

from __future__ import annotations

from pathlib import Path

from lvslab.lint.pages import index, page
from lvslab.lint.registry import all_rules

DOCS = Path(__file__).resolve().parents[3] / "docs" / "rules"


def wanted() -> dict[str, str]:
    pages = {f"{name}.md": page(rule) for name, rule in all_rules().items()}
    return pages | {"README.md": index(all_rules().values())}


def test_the_pages_are_those_of_the_rules():
    have = {p.name: p.read_text() for p in DOCS.glob("*.md")}
    assert have == wanted(), f"run python {Path(__file__).name}"


def test_every_rule_says_what_it_claims_and_whence():
    for rule in all_rules().values():
        for text in (rule.title, rule.why, rule.fix, rule.source):
            assert text.strip(), rule.id
        assert rule.title[-1] not in ".", rule.id


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    for old in DOCS.glob("*.md"):
        old.unlink()
    for name, text in wanted().items():
        (DOCS / name).write_text(text)
