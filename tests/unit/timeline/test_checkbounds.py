"""What health checks promise: removal and return, for any check and whatever a server does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.timeline import bounds, checkbounds, promises
from lvslab.topology.spec import CheckSpec
from tests.unit.plan import specs

from .bounding import ARTICLE_CHECK, ends, second, with_check


@pytest.mark.parametrize(
    ("answer", "low", "high"), [("refused", 9, 15), ("timeout", 21, 27), ("unreachable", 9, 27)]
)
def test_removal_of_the_articles_real_server(answer, low, high):
    assert (low, high) == ends(checkbounds.rs_removed(ARTICLE_CHECK, 6.0, answer))


def test_without_a_retry_the_first_failure_counts():
    check = CheckSpec("TCP_CHECK", retry=0, connect_timeout=2.0)
    assert ends(checkbounds.rs_removed(check, 5.0, "refused")) == (0, 5)
    assert ends(checkbounds.rs_removed(check, 5.0, "timeout")) == (2, 7)


def test_a_misc_check_fails_within_its_timeout_or_the_loop():
    check = CheckSpec("MISC_CHECK", misc_path="/x", retry=1, delay_before_retry=1.0)
    assert ends(checkbounds.rs_removed(check, 4.0, "refused")) == (1, 4 + 8 + 1)
    limited = replace(check, misc_timeout=2.0)
    assert ends(checkbounds.rs_removed(limited, 4.0, "refused")) == (1, 4 + 4 + 1)


def test_http_wants_two_good_answers_and_tcp_one():
    assert ends(checkbounds.rs_back(ARTICLE_CHECK, 6.0, attempt=0.0)) == (6, 12)
    assert ends(checkbounds.rs_back(ARTICLE_CHECK, 6.0)) == (6, 15)
    assert ends(checkbounds.rs_back(CheckSpec("TCP_CHECK"), 6.0, attempt=0.0)) == (0, 6)
    slow = CheckSpec("TCP_CHECK", delay_before_retry=10.0)
    assert ends(checkbounds.rs_back(slow, 6.0, attempt=0.0)) == (0, 10)


times = st.floats(0.0, 60.0)
checks = st.builds(
    CheckSpec,
    st.sampled_from(["HTTP_GET", "SSL_GET", "TCP_CHECK", "MISC_CHECK"]),
    connect_timeout=times,
    retry=st.integers(0, 10),
    delay_before_retry=times,
    misc_timeout=st.none() | times,
)
answers = st.sampled_from(["refused", "timeout", "unreachable"])


@given(checks, times, answers)
def test_removal_is_ordered_and_grows_with_each_part(check, delay, answer):
    bound = checkbounds.rs_removed(check, delay, answer)
    assert 0 <= bound.low <= bound.high
    more = replace(check, retry=check.retry + 1)
    assert checkbounds.rs_removed(more, delay, answer).high >= bound.high
    assert checkbounds.rs_removed(check, delay + 1, answer).high >= bound.high


@given(checks, times)
def test_silence_is_never_noticed_sooner_than_a_refusal(check, delay):
    refused, unreachable, timeout = (
        checkbounds.rs_removed(check, delay, a) for a in ("refused", "unreachable", "timeout")
    )
    assert refused.low <= unreachable.low <= timeout.low
    assert refused.high <= unreachable.high <= timeout.high


@given(checks, times, st.none() | times)
def test_return_and_second_outage_are_ordered(check, delay, down_for):
    back = checkbounds.rs_back(check, delay)
    assert 0 <= back.low <= back.high
    bound = second(with_check(check, delay_loop=delay), down_for=down_for)
    assert 0 <= bound.low <= bound.high <= max(back.high, 0)


@pytest.mark.parametrize(
    ("check", "answer", "low", "high"),
    [
        # DNS_CHECK (check_dns.c dns_final()) and UDP_CHECK (check_udp.c udp_epilog()) count as
        # TCP_CHECK does: down with failure R + 1.
        (CheckSpec("DNS_CHECK"), "refused", 9, 15),
        (CheckSpec("DNS_CHECK"), "timeout", 21, 27),
        (CheckSpec("UDP_CHECK", require_reply=True), "timeout", 21, 27),
        (CheckSpec("UDP_CHECK", retry=1, delay_before_retry=1.0), "refused", 1, 7),
    ],
)
def test_removal_by_a_check_that_sends_a_datagram(check, answer, low, high):
    assert (low, high) == ends(checkbounds.rs_removed(check, 6.0, answer))


def test_a_question_that_a_server_takes_with_it_is_answered_by_nobody() -> None:
    check = CheckSpec("DNS_CHECK", connect_timeout=2.0, retry=1, delay_before_retry=0.5)
    assert checkbounds.rs_removed(check, 0.5, "refused").high == pytest.approx(2.0 + 0.5)
    # Of TCP that is a reset.
    tcp = replace(check, kind="TCP_CHECK")
    assert checkbounds.rs_removed(tcp, 0.5, "refused").high == pytest.approx(0.5 + 0.5)


@pytest.mark.parametrize(
    ("ending", "high"),
    [
        # D 0.5, R 1, B 0.25, P 0.5: what ends within delay_loop was refused all along.
        (0.0, 0.75),
        (0.4, 0.75),
        # Attempts fail by timeout until the end, the rest are refused.
        (0.9, 0.9 + 0.25),
        # Both take all of connect_timeout: no more is lost, however long it takes.
        (1.5, 0.5 + 2 * 0.5 + 0.25),
        (60.0, 0.5 + 2 * 0.5 + 0.25),
    ],
)
def test_a_server_that_is_long_in_ending_is_asked_in_vain(ending: float, high: float) -> None:
    check = CheckSpec("HTTP_GET", connect_timeout=0.5, retry=1, delay_before_retry=0.25)
    bound = checkbounds.rs_removed(check, 0.5, "refused", ending=ending)
    assert (bound.low, bound.high) == pytest.approx((0.25, high))
    # It is no more than that of one that goes on for ever.
    assert bound.high <= checkbounds.rs_removed(check, 0.5, "timeout").high
    if high > 0.75:
        assert f"took {ending:g} s to end" in bound.why
        assert f"(it took {ending:g} s to end)" in bound.formula


def test_a_check_that_only_connects_passes_until_the_server_has_ended() -> None:
    check = CheckSpec("TCP_CHECK", connect_timeout=0.5, retry=1, delay_before_retry=0.25)
    bound = checkbounds.rs_removed(check, 0.5, "refused", ending=2.5)
    assert (bound.low, bound.high) == pytest.approx((0.25, 2.5 + 0.5 + 0.25))
    # What is silent altogether has no end to wait for.
    silent = checkbounds.rs_removed(check, 0.5, "timeout")
    assert checkbounds.rs_removed(check, 0.5, "timeout", ending=2.5) == silent


def test_one_answer_brings_it_back_and_failed_attempts_are_a_loop_apart():
    check = CheckSpec("DNS_CHECK", delay_before_retry=10.0)
    assert ends(checkbounds.rs_back(check, 6.0, attempt=0.0)) == (0, 6)
    assert ends(checkbounds.rs_back(check, 6.0)) == (0, 9)


def test_silence_is_success_to_a_udp_check_that_requires_no_reply():
    deaf = CheckSpec("UDP_CHECK")
    assert not checkbounds.never_notices(deaf, "refused")
    assert checkbounds.never_notices(deaf, "timeout")
    assert checkbounds.never_notices(deaf, "unreachable")
    assert not checkbounds.never_notices(CheckSpec("UDP_CHECK", require_reply="66"), "timeout")
    assert not checkbounds.never_notices(CheckSpec("DNS_CHECK"), "timeout")
    spec = with_check(deaf, protocol="UDP")
    assert bounds.expected(spec, "power-off", "rs1") is None
    promised = [p.what for p in promises.all_of(spec) if "removed" in p.what]
    assert promised == ["a real server is removed: its port refuses (ICMP)"]


def test_a_web_server_that_stops_takes_nothing_else_with_it():
    spec = with_check(CheckSpec("DNS_CHECK"), protocol="UDP", port=53)
    assert ends(bounds.expected(spec, "httpd-stop", "rs1")) == (0, 0)
    assert ends(bounds.expected(spec, "freeze", "rs1")) == (21, 27)
    # Checked by DNS, a web server may be gone for ever.
    other = with_check(CheckSpec("DNS_CHECK", connect_port=53))
    assert bounds.expected(other, "httpd-stop", "rs1") is None
    assert ends(bounds.expected(other, "freeze", "rs1")) == (21, 27)


def test_of_each_program_that_stops_what_it_serves_is_promised_and_no_more():
    web = specs.virtual_server()
    dns = specs.virtual_server(
        port=53, protocol="UDP", members=specs.pool(port=53, check=CheckSpec("DNS_CHECK", retry=0))
    )
    plain = specs.virtual_server(
        port=514,
        protocol="UDP",
        members=specs.pool(port=514, check=CheckSpec("UDP_CHECK", retry=1)),
    )
    spec = specs.article(virtual_servers=(web, dns, plain))
    found = {
        fault: ends(bounds.expected(spec, fault, "rs1"))
        for fault in ("httpd-stop", "httpd-hang", "dns-stop", "dns-hang", "udp-stop")
    }
    assert found == {
        "httpd-stop": (9, 15),
        "httpd-hang": (21, 27),
        "dns-stop": (0, 6),
        "dns-hang": (3, 9),
        "udp-stop": (3, 9),
    }
    # Silence is success to its check, which what stops DNS does not ask.
    assert bounds.expected(spec, "udp-hang", "rs1") is None
    assert bounds.expected(spec, "freeze", "rs1") is None
    told = {p.of: p.fault for p in promises.all_of(spec) if "refuses" in p.what}
    assert told == {
        "172.20.1.100:80": "httpd-stop",
        "172.20.1.100:53/udp": "dns-stop",
        "172.20.1.100:514/udp": "udp-stop",
    }


def test_a_check_that_asks_another_program_never_notices():
    tcp = specs.virtual_server(
        port=514, protocol="UDP", members=specs.pool(port=514, check=CheckSpec("TCP_CHECK"))
    )
    spec = specs.article(virtual_servers=(tcp,))
    # It asks TCP port 514, and that is a web server.
    assert bounds.expected(spec, "udp-stop", "rs1") is None
    assert ends(bounds.expected(spec, "link-down", "rs1")) == (9, 27)
    (told,) = (p for p in promises.all_of(spec) if "refuses" in p.what)
    assert told.fault == "httpd-stop"
    # Of a script one cannot tell what it asks: it is taken to fail.
    script = replace(
        tcp, members=specs.pool(port=514, check=CheckSpec("MISC_CHECK", misc_path="/x"))
    )
    spec = specs.article(virtual_servers=(script,))
    assert bounds.expected(spec, "udp-stop", "rs1") is not None


def test_tcp_and_udp_on_one_port_have_bounds_of_their_own():
    tcp = specs.virtual_server(port=53, members=specs.pool(check=CheckSpec("TCP_CHECK", retry=0)))
    udp = replace(tcp, protocol="UDP", members=specs.pool(check=CheckSpec("DNS_CHECK")))
    spec = specs.article(virtual_servers=(tcp, udp))
    found = {(p.of, p.bound.high) for p in promises.all_of(spec) if "refuses" in p.what}
    assert found == {("172.20.1.100:53", 6.0), ("172.20.1.100:53/udp", 15.0)}
