"""keepalived.conf and httpd.conf, against golden files and against the programs themselves.

After an intended change: ``LVSLAB_GOLDEN=write pytest tests/unit/plan`` and read the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lvslab.plan import render
from lvslab.topology import builtins, load, loads
from lvslab.topology.spec import GarpSpec, TopologySpec
from tests.unit.plan import specs

GOLDEN = Path(__file__).parent / "golden"
SHIPPED = {name: load(path) for name, path in builtins().items()}
SECURE = loads(
    "directors: [lvs1, lvs2]\nreal_servers: [rs1]\nvip: 172.20.1.100\nvirtual_servers:\n"
    "  - {port: 443, check: {type: SSL_GET, path: /up, status_code: 503, raw: enable_sni}}\n"
    "  - {port: 8443, check: {type: SSL_GET, connect_port: 443}}\n",
    "secure",
)
SPECS = SHIPPED | {"rich": specs.rich(), "secure": SECURE}
CASES = [(name, n) for name in SPECS for n in (0, 1)]

#: eth0 and eth1 must exist: -t looks for the interfaces that are named, not for their peers.
IN_NETNS = """
ip link set lo up && ip link add eth0 type veth peer name peer0 &&
ip link add eth1 type veth peer name peer1 && ip link set eth1 up && ip link set peer1 up &&
ip link set eth0 up && ip link set peer0 up && ip addr add 172.20.1.1/16 dev eth0 || exit 77
keepalived -t -f "$1"
"""


def check_with_keepalived(conf: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("keepalived") is None:
        pytest.skip("keepalived is not installed")
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root and unshare")
    done = subprocess.run(
        [unshare, "--net", "sh", "-c", IN_NETNS, "sh", str(conf)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip(f"no network namespace with a veth pair here: {done.stderr.strip()}")
    return done


@pytest.mark.parametrize(("name", "n"), CASES)
def test_golden(name, n):
    spec = SPECS[name]
    director = spec.directors[n]
    golden = GOLDEN / f"{name}.{director.name}.conf"
    text = render.keepalived_conf(spec, director)
    if os.environ.get("LVSLAB_GOLDEN") == "write":
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize(("name", "n"), CASES)
def test_keepalived_takes_it_without_a_word(tmp_path, name, n):
    conf = tmp_path / "keepalived.conf"
    spec = SPECS[name]
    conf.write_text(render.keepalived_conf(spec, spec.directors[n]))
    done = check_with_keepalived(conf)
    assert (done.returncode, done.stderr) == (0, "")


def test_that_check_sees_a_mistake(tmp_path):
    conf = tmp_path / "keepalived.conf"
    spec = specs.article()
    text = render.keepalived_conf(spec, spec.directors[0])
    conf.write_text(text.replace("advert_int 1", "advert_int 1\n    nat_mask 255.255.255.0"))
    assert check_with_keepalived(conf).returncode == 5


KEYWORD = re.compile(
    r"\b(router_id|version|state|interface|priority|advert_int|virtual_router_id|nopreempt|"
    r"lb_algo|lb_kind|protocol|delay_loop|weight|retry|path|status_code|quorum)\b"
)


@pytest.mark.parametrize("name", SPECS)
def test_one_keyword_a_line(name):
    spec = SPECS[name]
    for line in render.keepalived_conf(spec, spec.directors[0]).splitlines():
        if not line.lstrip().startswith("#"):
            assert len(KEYWORD.findall(line)) <= 1, line
            assert not re.search(r"\{.+\S", line), line


def test_nothing_that_is_known_to_hurt():
    for spec in SPECS.values():
        text = render.keepalived_conf(spec, spec.directors[0])
        assert "vrrp_strict" not in text
        assert "persistence_timeout 0" not in text
        for kind in re.findall(r"lb_kind (\S+)", text):
            assert kind == spec.forwarding
        assert len(re.findall(r"^virtual_server", text, re.M)) == len(
            re.findall(r"^    protocol (?:TCP|UDP)$", text, re.M)
        )


def test_a_director_renders_only_its_instances_and_all_virtual_servers():
    spec = specs.active_active()
    first, second = spec.vrrp_instances
    only = replace(second, members=second.members[1:])
    spec = replace(spec, vrrp_instances=(first, only))
    text = render.keepalived_conf(spec, spec.directors[0])
    assert "vrrp_instance VI_1" in text
    assert "VI_2" not in text
    assert text.count("\nvirtual_server ") == 2


def test_the_gateway_is_in_the_instance_that_has_the_vip_and_in_no_other():
    text = (
        "directors: [a, b]\nreal_servers: [r]\nvrrp_instances:\n  first: {vips: 172.20.1.99}\n"
        "  second: {vips: 172.20.1.100}\n"
        "virtual_servers: [{vip: 172.20.1.100, forwarding: NAT}]\n"
    )
    spec = loads(text)
    _, first, second = render.keepalived_conf(spec, spec.directors[1]).split("\nvrrp_instance ")
    held = "        10.20.0.254/32 dev eth1\n"
    tracked = "    track_interface {\n        eth1\n    }\n"
    assert [held in part and tracked in part for part in (first, second)] == [False, True]
    assert "eth1" not in first


def test_the_tunnel_is_made_before_anything_runs_in_a_shell_that_then_is_it(tmp_path):
    spec = SHIPPED["lvs-tun"]
    (tmp_path / "ip").write_text('#!/bin/sh\necho "ip $*" >&2\nexit 2\n')
    (tmp_path / "ip").chmod(0o755)
    script = tmp_path / "tunnel.sh"
    script.write_text(render.tunnel_script(spec.real_servers[0], spec.vips))
    done = subprocess.run(
        ["/bin/sh", str(script), "/bin/echo", "two words", "$HOME"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    # Whatever fails there, the node runs, to be looked at.
    assert (done.returncode, done.stdout) == (0, "two words $HOME\n")
    assert done.stderr.splitlines() == [
        "ip link set tunl0 up",
        "ip address replace 172.24.1.100/32 dev tunl0",
    ]


def test_the_longest_garp_interval_counts_for_the_interface():
    def with_intervals(*values: float | None) -> TopologySpec:
        spec = specs.active_active()
        instances = tuple(
            replace(i, garp=GarpSpec(interval=v))
            for i, v in zip(spec.vrrp_instances, values, strict=True)
        )
        return replace(spec, vrrp_instances=instances)

    spec = with_intervals(0.5, 0.001)
    assert "    vrrp_garp_interval 0.5\n" in render.keepalived_conf(spec, spec.directors[0])
    spec = with_intervals(0, None)  # 0 is keepalived's default, and out of the keyword's range
    assert "garp_interval" not in render.keepalived_conf(spec, spec.directors[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.1, "0.1"), (10.0, "10"), (0.25, "0.25"), (0.0, "0"), (1000.0, "1000")],
)
def test_seconds(value, text):
    assert render.number(value) == text


def test_raw_is_set_in_its_place_with_its_own_structure():
    assert render.raw("\n  a {\n    b\n  }\n", 1) == "    a {\n      b\n    }\n"
    assert render.raw("  \n", 2) == ""


def test_definitions_stand_before_the_instances():
    (first, *others) = SHIPPED["lvs-dr"].directors
    spec = replace(
        SHIPPED["lvs-dr"],
        directors=(replace(first, definitions="vrrp_script a {\n}", raw="# end"), *others),
    )
    text = render.keepalived_conf(spec, spec.directors[0])
    places = [text.index(t) for t in ("\n\nvrrp_script a {", "\n\nvrrp_instance", "\n\n# end")]
    assert places == sorted(places)
