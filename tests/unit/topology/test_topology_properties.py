"""What holds for any topology and for any text."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvslab.errors import TopologyError
from lvslab.topology import TopologySpec, builtins, digest, from_json, loads, starter, to_json

#: Examples where one is slow, and where most are refused early; both follow the profile.
FEW = settings().max_examples * 3 // 10
MANY = settings().max_examples * 3

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(
    IPv4Interface,
    st.builds(lambda a, p: IPv4Interface((a, p)), st.ip_addresses(v=4), st.integers(0, 32)),
)

TEXTS = [
    starter("lab"),
    *(path.read_text() for path in builtins().values()),
    *(p.read_text() for p in sorted((Path(__file__).parent / "errors").glob("*.yaml"))),
]
#: What YAML, or a type check, may trip over.
NASTY = [
    "\t", "\n", "\r", "\u0000", "\u0085", "\u2028", "\ufeff", "\ud800", "'", "\"", "'''", "\\",
    "\"\\x", "\"\\U99999999\"", ":", ": ", "- ", "? ", "|", ">", "|2\n", "%",
    "%YAML 9.9\n---\n", "%TAG ! x:\n---\n", "@", "`", "&a ", "*a", "&a [*a]", "<<: ", "!",
    "!!binary ", "!!set ", "{", "}", "[", "]", "{{", "[[[[[[", "---\n", "...\n", "#", "~",
    "null", "true", "no", "0x10", "0o7", "1e999", ".inf", ".nan", "-0", "9" * 30, "1.5",
    "2001-01-01", "12:30:45", "::1", "172.20.0.0/16", "0.0.0.0", "255.255.255.255",
    "1.2.3.4/33", "x" * 300, "\u00e9", "directors: ", "vip: ", "vrrp: ", "virtual_servers: ",
    "vrrp_instances: ", "check: ", "network: ", "priorities: {lvs1: ",
]  # fmt: skip


@settings(max_examples=FEW, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_type(TopologySpec))
def test_a_stored_topology_comes_back_as_it_was(spec: TopologySpec):
    text = to_json(spec)
    assert from_json(text) == spec
    assert digest(from_json(text)) == digest(spec)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        new = draw(st.one_of(st.just(""), st.sampled_from(NASTY), st.text(max_size=5)))
        text = text[:start] + new + text[end:]
    return text


@settings(max_examples=MANY, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_any_text_gives_a_topology_or_a_topology_error(text: str):
    try:
        spec = loads(text, "t.yaml")
    except TopologyError:
        return
    assert from_json(to_json(spec)) == spec


@given(
    st.integers(1, 15), st.integers(1, 30), st.integers(1, 10), st.integers(16, 27), st.integers(0)
)
def test_assigned_addresses_are_distinct_and_usable(
    directors: int, servers: int, clients: int, prefix: int, at: int
):
    size = 2 ** (32 - prefix)
    vip = f"10.9.{(1 + at % (size - 2)) >> 8 & 255}.{(1 + at % (size - 2)) & 255}"
    names = {
        "directors": [f"d{i}" for i in range(directors)],
        "real_servers": [f"r{i}" for i in range(servers)],
        "clients": [f"c{i}" for i in range(clients)],
    }
    text = "".join(f"{role}: [{', '.join(each)}]\n" for role, each in names.items())
    text += f"vip: {vip}\nnetwork: {{subnet: 10.9.0.0/{prefix}}}\n"
    if directors + servers + clients + 2 > size - 2:
        with pytest.raises(TopologyError, match="is too small"):
            loads(text)
        return
    spec = loads(text)
    used = [spec.network.gateway, *spec.vips]
    used += [node.address for node in spec.directors]
    used += [node.address for node in spec.real_servers]
    used += [node.address for node in spec.clients]
    assert len(set(used)) == len(used) == directors + servers + clients + 2
    hosts = (spec.network.subnet.network_address, spec.network.subnet.broadcast_address)
    assert all(hosts[0] < address < hosts[1] for address in used)
    assert loads(text) == spec


@given(st.integers(1, 6), st.integers(1, 8), st.integers(24, 30), st.integers(0), st.integers(0))
def test_inside_addresses_are_distinct_and_usable(
    directors: int, servers: int, prefix: int, gateway: int, own: int
):
    hosts = 2 ** (32 - prefix) - 2
    gateway, own = 1 + gateway % hosts, 1 + own % hosts
    text = "directors:\n" + "".join(f"  d{i}:\n" for i in range(1, directors))
    text += f"  d0: {{inside: 10.8.0.{own}}}\n"
    text += f"real_servers: [{', '.join(f'r{i}' for i in range(servers))}]\n"
    text += f"vip: 172.20.1.100\ninside: {{subnet: 10.8.0.0/{prefix}, gateway: 10.8.0.{gateway}}}\n"
    text += "virtual_servers: [{forwarding: NAT}]\n"
    if directors + servers + 2 > hosts:
        with pytest.raises(TopologyError, match="is too small"):
            loads(text)
        return
    if own == gateway:
        with pytest.raises(TopologyError, match="is taken"):
            loads(text)
        return
    spec = loads(text)
    assert spec.inside is not None
    used = [spec.inside.gateway, spec.inside.bridge, *(d.inside for d in spec.directors)]
    used += [server.address for server in spec.real_servers]
    assert len(set(used)) == len(used) == directors + servers + 2
    assert all(address in list(spec.inside.subnet.hosts()) for address in used)
    assert from_json(to_json(spec)) == spec
