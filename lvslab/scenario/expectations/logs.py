"""What a node's services wrote into their log."""

from __future__ import annotations

from lvslab.scenario.expectations.model import Check, Expectation
from lvslab.scenario.language import Sentence, Word
from lvslab.scenario.seen import Seen


def _log(sentence: Sentence, seen: Seen) -> Check:
    assert isinstance(sentence.value, Word)
    since, until = seen.window(sentence)
    lines = [
        (e.t - seen.begin, e.node, str(e.data.get("text", "")))
        for e in seen.events
        if e.kind == "log" and since <= e.t <= until and sentence.of in (None, e.node)
    ]
    found = [line for line in lines if sentence.value.text in line[2]]
    where = sentence.of or "any node"
    if not found:
        return Check(
            sentence.text,
            "fail",
            f"{len(lines)} lines of {where} without it",
            f"{sentence.value.text!r}",
        )
    t, node, text = found[0]
    return Check(sentence.text, "pass", f"{t:+.3f} s {node}: {text}", f"{sentence.value.text!r}")


EXPECTATIONS = (
    Expectation(
        "log",
        "a line that a node's services wrote after the fault",
        ("contains",),
        ("word",),
        _log,
        window=True,
        of="node",
        after_fault=False,
    ),
)
