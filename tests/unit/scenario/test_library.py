"""The scenarios that ship: each can be read, teaches something, and expects something."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from lvslab.scenario import library
from lvslab.scenario.load import load
from lvslab.topology.values import NAME_PATTERN

SHIPPED = library.shipped()
#: What a full stop, a question or an exclamation mark ends, if something follows.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")


def test_there_are_enough_no_two_have_one_title_and_some_are_for_a_quick_look():
    assert len(SHIPPED) >= 30
    specs = [load(path) for path in SHIPPED.values()]
    titles = Counter(spec.title for spec in specs)
    assert [title for title, count in titles.items() if count > 1] == []
    assert 6 <= sum("ci" in spec.tags for spec in specs) <= 12


@pytest.mark.parametrize("path", SHIPPED.values(), ids=SHIPPED)
def test_it_is_read_and_says_what_it_is_for(path: Path):
    spec = load(path)
    assert spec.name == path.stem
    assert re.fullmatch(NAME_PATTERN, spec.name)
    assert spec.expect
    assert spec.tags
    assert len(spec.title) <= 80
    sentences = _SENTENCE_END.split(" ".join(spec.teaches.split()))
    assert len(sentences) == 3, sentences
    named = re.findall(r"\bscenarios? ([a-z0-9]+(?:-[a-z0-9]+)+)", spec.teaches)
    assert set(named) <= set(SHIPPED)
