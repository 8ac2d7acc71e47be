"""What real servers answer because of the checks: over TLS or not, with which status."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvslab.topology import from_json, loads, to_json
from lvslab.topology.served import (
    asks,
    is_secure,
    path_for,
    request_to,
    spread,
    statuses,
    tls_places,
)
from lvslab.topology.spec import CheckSpec, TopologySpec

HEAD = "directors: [lvs1]\nreal_servers: [rs1, rs2, sorry]\nvip: [172.20.1.100, 172.20.1.101]\n"


def lab(servers: str) -> TopologySpec:
    return loads(f"{HEAD}virtual_servers:\n{servers}", "here")


def secure(spec: TopologySpec) -> list[bool]:
    return [is_secure(spec.virtual_servers, vs) for vs in spec.virtual_servers]


def test_a_topology_without_ssl_get_speaks_no_tls() -> None:
    spec = lab("  - {vip: 172.20.1.100, port: 443, check: TCP_CHECK}\n")
    assert tls_places(spec.virtual_servers) == frozenset()
    assert request_to(spec, spec.virtual_servers[0]) == {
        "vip": "172.20.1.100",
        "port": 443,
        "path": "/",
    }


def test_tls_is_spoken_where_an_ssl_get_connects_to_and_nowhere_else() -> None:
    spec = lab(
        "  - {vip: 172.20.1.100, port: 80, check: {type: SSL_GET, connect_port: 8443}}\n"
        "  - {vip: 172.20.1.100, port: 443, check: SSL_GET, real_servers: [rs1]}\n"
    )
    servers = ("rs1", "rs2", "sorry")
    assert tls_places(spec.virtual_servers) == {*((s, 8443) for s in servers), ("rs1", 443)}
    assert secure(spec) == [False, True]
    assert request_to(spec, spec.virtual_servers[1])["tls"] is True


def test_what_one_client_may_come_to_speaks_tls_if_one_of_it_does() -> None:
    # rs2 has no SSL_GET in the first, and neither does anything in the second: they share a place.
    spec = lab(
        "  - vip: 172.20.1.100\n"
        "    port: 443\n"
        "    sorry_server: sorry\n"
        "    check: none\n"
        "    real_servers: {rs1: {check: SSL_GET}, rs2: }\n"
        "  - {vip: 172.20.1.101, port: 443, check: TCP_CHECK, real_servers: [rs2, sorry]}\n"
    )
    assert tls_places(spec.virtual_servers) == {("rs1", 443), ("rs2", 443), ("sorry", 443)}
    assert secure(spec) == [True, True]


def test_udp_is_not_tls_for_being_checked_over_it() -> None:
    spec = lab(
        "  - vip: 172.20.1.100\n    port: 443\n    protocol: UDP\n"
        "    check: {type: SSL_GET, connect_port: 443}\n"
    )
    assert secure(spec) == [False]
    assert ("rs1", 443) in tls_places(spec.virtual_servers)


places = st.tuples(st.sampled_from(["rs1", "rs2", "rs3", "rs4"]), st.sampled_from([80, 443]))


@given(st.sets(places), st.lists(st.sets(places, max_size=3), max_size=5))
def test_after_spreading_no_group_is_half_tls(tls, groups) -> None:
    found = spread(tls, groups)
    assert tls <= found
    assert all(group <= found or not group & found for group in groups)
    assert spread(found, groups) == found
    # Nothing that hangs together with none of it.
    assert found <= tls | {place for group in groups for place in group}


def test_what_a_check_asks_for_is_also_what_its_raw_lines_say() -> None:
    raw = "url {\n  path /b?x=1 # why\n  status_code 301 400-402\n}\nurl { path /c }\nurl {\n}\n"
    check = CheckSpec("HTTP_GET", "/a", 503, raw=raw)
    assert list(asks(check)) == [
        ("/a", frozenset({503})),
        ("/b?x=1", frozenset({301, 400, 401, 402})),
        ("/c", frozenset(range(200, 300))),
    ]
    assert list(asks(CheckSpec("TCP_CHECK", raw=raw))) == []
    # Too strange for a tree: keepalived is the one to say so.
    assert len(list(asks(CheckSpec("HTTP_GET", raw="url\n" + "{\n" * 200)))) == 1


def test_a_path_is_answered_with_what_all_its_checks_take() -> None:
    spec = lab(
        "  - {vip: 172.20.1.100, port: 80, check: {path: /up}, real_servers: [rs1]}\n"
        "  - vip: 172.20.1.101\n    real_servers: [rs1]\n"
        "    check: {path: /up, status_code: 204}\n"
        "  - vip: 172.20.1.101\n    port: 81\n    check: {status_code: 503}\n"
    )
    odd = statuses(spec.virtual_servers)
    assert odd["rs1", 80] == {"/up": 204}
    assert odd["rs2", 81] == {"/": 503}
    assert ("rs2", 80) not in odd
    # A client wants 200: of the first it would be 204, because of the second.
    paths = [path_for(spec.virtual_servers, vs) for vs in spec.virtual_servers]
    assert paths == ["/", "/", "/lvslab"]


def test_a_path_that_checks_want_200_of_is_the_clients() -> None:
    spec = lab("  - {vip: 172.20.1.100, check: {path: /health, status_code: 200}}\n")
    assert request_to(spec, spec.virtual_servers[0])["path"] == "/health"
    assert statuses(spec.virtual_servers) == {}


def test_a_check_that_says_no_status_is_stored_as_such() -> None:
    spec = lab("  - {vip: 172.20.1.100, check: SSL_GET}\n")
    (member, *_) = spec.virtual_servers[0].members
    assert member.check == CheckSpec("SSL_GET", status_code=None)
    assert from_json(to_json(spec)) == spec
