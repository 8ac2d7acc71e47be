from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvslab.scenario.language import Auto, Quantity, Sentence, SentenceError, Span, Word, parse

S4 = Quantity(4.0, "s")
FORTY, SIXTY = Quantity(40.0, "%"), Quantity(60.0, "%")

#: A sentence, and its parts: subject, of, operator, value, limit, since, until.
FORMS = [
    ("no_outage", ("no_outage", None, None, None, None, None, None)),
    ("no_outage from 5s", ("no_outage", None, None, None, None, 5.0, None)),
    ("no_outage from 500ms to 2m", ("no_outage", None, None, None, None, 0.5, 120.0)),
    ("outage <= auto", ("outage", None, "<=", Auto(), None, None, None)),
    ("outage<=4s", ("outage", None, "<=", S4, None, None, None)),
    ("  outage   within  4s ", ("outage", None, "within", S4, None, None, None)),
    ("outage within 4000ms", ("outage", None, "within", S4, None, None, None)),
    (
        "outage within 1.5s..4s",
        ("outage", None, "within", Span(Quantity(1.5, "s"), S4), None, None, None),
    ),
    (
        "outage of second within auto",
        ("outage", "second", "within", Auto(), None, None, None),
    ),
    ("holders == 1 within auto", ("holders", None, "==", Quantity(1, ""), Auto(), None, None)),
    (
        "holders == 1 within 4s from 1s to 9s",
        ("holders", None, "==", Quantity(1, ""), S4, 1.0, 9.0),
    ),
    (
        "share_of rs1 within 40%..60% from 5",
        ("share_of", "rs1", "within", Span(FORTY, SIXTY), None, 5.0, None),
    ),
    ("share_of rs-1.x == 40%", ("share_of", "rs-1.x", "==", FORTY, None, None, None)),
    ("failed_requests != 0", ("failed_requests", None, "!=", Quantity(0, ""), None, None, None)),
    (
        "failed_requests > 2.5%",
        ("failed_requests", None, ">", Quantity(2.5, "%"), None, None, None),
    ),
    ("failed_requests < 3", ("failed_requests", None, "<", Quantity(3, ""), None, None, None)),
    ("failed_requests >= 3", ("failed_requests", None, ">=", Quantity(3, ""), None, None, None)),
    ("new_holder == lvs2", ("new_holder", None, "==", Word("lvs2"), None, None, None)),
    (
        "log of lvs2 contains \"it is <= 'auto'\"",
        ("log", "lvs2", "contains", Word("it is <= 'auto'"), None, None, None),
    ),
    ("log contains '5s'", ("log", None, "contains", Word("5s"), None, None, None)),
]


@pytest.mark.parametrize(("text", "parts"), FORMS, ids=[text for text, _ in FORMS])
def test_every_form(text: str, parts: tuple[object, ...]):
    assert parse(text) == Sentence(text, *parts)  # type: ignore[arg-type]


#: A sentence, where it goes wrong (characters from its begin), and a part of what is said.
ERRORS = [
    ("", 0, "there is nothing in it"),
    ("   ", 0, "there is nothing in it"),
    ("<= 4s", 0, "'<=' is where a word such as 'outage' belongs"),
    ('"outage" <= 4s', 0, "is where a word such as 'outage' belongs"),
    ("outage = 4s", 7, "'=' makes no sense here"),
    ("outage !4s", 7, "'!' makes no sense here"),
    ("outage <=", 9, "a value is missing at its end"),
    ("outage <= <=", 10, "'<=' is where a value belongs"),
    ("outage <= ..", 10, "'..' is where a value belongs"),
    ("outage <= 4 s", 12, "'s' is more than can be said here"),
    ("outage within 1s..", 18, "the end of the range is missing"),
    ("outage within 4s..1s", 14, "the smaller first"),
    ("outage within 40%..4s", 14, "two numbers of one kind"),
    ("outage within a..b", 14, "two numbers of one kind"),
    ("outage of", 9, "a name is missing at its end"),
    ("outage of <= 4s", 10, "'<=' is where a name belongs"),
    ("outage of within 4s", 10, "'within' is where a name belongs"),
    ("share_of == 4%", 9, "'==' is where a name belongs"),
    ("holders == 1 within", 19, "a value is missing at its end"),
    ("holders == 1 within 5%", 20, "'within 5%' is no time"),
    ("holders == 1 within 5", 20, "'within 5' is no time"),
    ("holders == 1 within lvs1", 20, "'within lvs1' is no time"),
    ("holders == 1 within 1s..2s", 20, "'within 1 s..2 s' is no time"),
    ("outage within 4s within 5s", 17, "'within' is more than can be said here"),
    ("no_outage from", 14, "a time such as 5s is missing"),
    ("no_outage from 5%", 15, "'5%' is no time"),
    ("no_outage from soon", 15, "'soon' is no time"),
    ("no_outage to 5s", 10, "'to' is more than can be said here"),
    ("no_outage from 5s to 5s", 21, "comes after its begin"),
    ('log contains "abc', 13, "never ends"),
    ("log contains ''", 13, "nothing between the quotes"),
    ("outage <= " + "9" * 400 + "h", 10, "are no number"),
]


@pytest.mark.parametrize(("text", "column", "said"), ERRORS, ids=[text[:30] for text, *_ in ERRORS])
def test_every_error_says_what_and_where(text: str, column: int, said: str):
    with pytest.raises(SentenceError) as caught:
        parse(text)
    assert said in caught.value.message
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("value", "shown"),
    [(S4, "4 s"), (FORTY, "40%"), (Quantity(3, ""), "3"), (Span(FORTY, SIXTY), "40%..60%"),
     (Auto(), "auto"), (Word("lvs1"), "lvs1"), (Quantity(2.805, "s"), "2.805 s")],
)  # fmt: skip
def test_a_value_is_shown_as_a_person_writes_it(value: object, shown: str):
    assert str(value) == shown


WORDS = st.sampled_from(
    ["outage", "holders", "share_of", "of", "within", "from", "to", "contains", "auto", "rs1",
     "<=", ">=", "==", "!=", "<", ">", "..", "4s", "500ms", "45%", "1", "45%..55%", '"', "'",
     '"a b"', "''", "=", "!", " ", "\t", "²", "٣", "9" * 400]
)  # fmt: skip


def read(text: str) -> Sentence | SentenceError:
    try:
        return parse(text)
    except SentenceError as error:
        return error


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.text(max_size=20), st.lists(WORDS, max_size=9).map(" ".join)))
def test_any_text_is_a_sentence_or_an_error_with_its_place(text: str):
    found = read(text)
    if isinstance(found, SentenceError):
        assert found.message
        assert 0 <= found.column <= len(text)
    else:
        assert found.text == text
        assert found.subject in text


@pytest.mark.parametrize("text", ["a " * 60_000, " " * 120_000 + "=", "<" * 120_000, "'" * 119_999])
def test_no_text_that_a_file_can_hold_takes_long(text: str):
    # CPU time, in which a quadratic reading of it takes many seconds.
    began = time.process_time()
    with pytest.raises(SentenceError):
        parse(text)
    assert time.process_time() - began < 2.0
