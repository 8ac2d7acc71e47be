from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.conf import ConfError, load_text
from lvslab.conf.lexer import Document, Edit
from lvslab.conf.tree import Node, render
from tests.unit.conf.corpus import FILES, SNIPPETS

PIECES = [
    *"{}\"'#!$\\@~\n\t ",
    "vrrp_instance",
    "virtual_server",
    "real_server",
    "priority",
    "include",
    "$A=",
    "$A",
    "${A}",
    "~SEQ(I,1,9)",
    "~LST({a,b},{1,2})",
    "10.0.0.1",
    "\u8d1f",
    "\0",
]


def test_prints_back_byte_for_byte():
    for data in (*(p.read_bytes() for p in FILES), *SNIPPETS):
        config = load_text(data)
        assert config.document.encode() == data
        assert "".join(config.document.lines) == config.document.text


@given(st.binary(max_size=300))
def test_any_bytes_come_back(data: bytes):
    assert Document.of("x", data).encode() == data


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_a_result_or_an_error_with_a_place(text: str):
    config, where = None, None
    try:
        config = load_text(text, "x.conf")
    except ConfError as error:
        where = error.where
    if config is None:
        assert (where or "").startswith("x.conf:")
        return
    assert config.view.root is config.root
    for node in config.root.walk():
        for word in node.words:
            at = word.at
            assert 1 <= at.line <= len(config.document.lines)
            # A place that is called exact is the word itself.
            if at.end and word.value and not word.open_quote:
                part = config.document.line(at.line)[at.column - 1 : at.end - 1]
                assert part == (f'"{word.value}"' if word.quoted else word.value)


def _shape(node: Node) -> list[object]:
    return [[w.value for w in node.words], node.is_block, [_shape(c) for c in node.children]]


@pytest.mark.parametrize("path", FILES[::7], ids=lambda p: p.stem)
def test_the_rendered_form_reads_as_the_same(path):
    config = load_text(path.read_bytes(), config_id="lvs1")
    again = load_text(render(config.root))
    assert _shape(again.root) == _shape(config.root)
    assert render(again.root) == render(config.root)


def test_an_edit_changes_what_it_names_and_nothing_else():
    old = Document("x", "a 1\r\n  b 2 # c\nd\n")
    new = old.edited([Edit(2, 5, 6, "3"), Edit(3, drop=True), Edit(1, 1, 2, "aa")])
    assert new.text == "aa 1\r\n  b 3 # c\n"


def test_of_edits_that_overlap_one_is_made():
    assert Document("x", "abcdef\n").edited([Edit(1, 2, 5, "X"), Edit(1, 3, 4, "Y")]).text in (
        "aXef\n",
        "abYdef\n",
    )
