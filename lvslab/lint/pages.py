"""A rule's explanation as Markdown: ``docs/rules/`` and ``lvslab explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import fill

from lvslab.lint.model import Rule

_TOPICS = {
    "syntax": "The language",
    "vrrp": "VRRP",
    "tracking": "Tracking and sync groups",
    "scripts": "Scripts and mail",
    "lvs": "Virtual and real servers",
    "checks": "Health checks",
    "across": "Across the directors",
}


def page(rule: Rule) -> str:
    """Return the page of one rule."""
    parts = [
        f"# {rule.id}: {rule.title}",
        f"`{rule.name}`, {rule.severity.value}",
        f"**Why.** {rule.why}",
    ]
    if rule.bad:
        parts.append(f"```\n{rule.bad}\n```")
    parts.append(f"**What to do.** {rule.fix}")
    if rule.good:
        parts.append(f"```\n{rule.good}\n```")
    parts.append(f"**Source.** {rule.source}")
    parts.append(f"Meant so? Write `# lvslab: ignore {rule.id} reason` on the line or above it.")
    return "\n\n".join(_wrapped(part) for part in parts) + "\n"


def _wrapped(part: str) -> str:
    if part.startswith(("```", "#")):
        return part
    return fill(part, 100, break_long_words=False, break_on_hyphens=False)


def index(rules: Iterable[Rule]) -> str:
    """Return the list of all rules."""
    return "\n".join(_index(list(rules))) + "\n"


def _index(rules: list[Rule]) -> Iterator[str]:
    yield "# Rules of `lvslab lint`"
    yield ""
    yield "Made by `python tests/unit/lint/test_rules_docs.py` from `lvslab/lint/rules/`."
    for topic, title in _TOPICS.items():
        yield ""
        yield f"## {title}"
        yield ""
        yield "| rule | severity | what it finds |"
        yield "|---|---|---|"
        for rule in rules:
            if rule.topic == topic:
                yield f"| [{rule.id}]({rule.id}.md) | {rule.severity.value} | {rule.title} |"
