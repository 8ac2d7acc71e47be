"""``lvslab prove dr`` on a real lab: whole, then broken by hand and put right again."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lvslab.prove.judge import judge, read
from lvslab.prove.model import Setting

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
VIP, RS1 = "172.20.1.100", "172.20.1.10"


@pytest.fixture(scope="module")
def up(module_cli: Cli) -> Iterator[None]:
    # The name of the other tests' lab: they share what is saved of it.
    module_cli("--engine", "embedded", "--lab", "dr", "up", "lvs-dr")
    yield
    module_cli("teardown", "dr", check=False)


def prove(cli: Cli, *words: str) -> dict[str, Any]:
    done = cli("prove", "dr", "-n", "4", "--json", *words, check=False)
    proof: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if proof["proved"] else 1), done.stderr
    return proof


def broken(cli: Cli, node: str, breaks: str, heals: str) -> list[tuple[str, str]]:
    """Break with one command, return what was found, and heal with another."""
    cli("exec", node, "--", *breaks.split())
    try:
        return [(b["kind"], b["node"]) for b in prove(cli)["breaks"]]
    finally:
        cli("exec", node, "--", *heals.split())


def test_a_lab_as_it_is_made_is_proved_and_what_was_captured_can_be_judged_again(
    cli: Cli, up: None, tmp_path: Path
) -> None:
    proof = prove(cli, "-w", str(tmp_path / "captured"))
    assert proof["proved"], proof["breaks"]
    assert [a["node"] for a in proof["arp"]] == ["lvs1"]
    assert {s["name"] for s in proof["servers"] if s["proved"]} == {"rs1", "rs2"}
    for server in proof["servers"]:
        ways = [(h["sender"], h["receiver"]) for h in server["hops"]]
        assert ways == [("client", "lvs1"), ("lvs1", server["name"]), (server["name"], "client")]
        assert [h["target"] for h in server["hops"][:2]] == [f"{VIP}:80"] * 2
    kept = {f.stem: f.read_bytes() for f in (tmp_path / "captured").glob("*.pcap")}
    setting = json.loads((tmp_path / "captured" / "setting.json").read_text())
    assert judge(Setting.from_json(setting), read(kept)).proved
    told = cli("prove", "dr", "-n", "4").stdout
    assert f"proved: {VIP}:80 is direct routing, by rs1 and rs2" in told


def test_a_real_server_without_the_vip(cli: Cli, up: None) -> None:
    address = f"{VIP}/32 dev lo"
    found = broken(cli, "rs1", f"ip addr del {address}", f"ip addr add {address}")
    assert found == [("no-vip", "rs1")]


def test_a_wrong_mask_on_lo(cli: Cli, up: None) -> None:
    change = f"ip addr del {VIP}/{{}} dev lo; ip addr add {VIP}/{{}} dev lo"
    cli("exec", "rs1", "--", "sh", "-c", change.format(32, 16))
    try:
        found = [(b["kind"], b["node"]) for b in prove(cli)["breaks"]]
    finally:
        cli("exec", "rs1", "--", "sh", "-c", change.format(16, 32))
    assert found == [("lo-mask", "rs1")]


def test_nat_instead_of_direct_routing(cli: Cli, up: None) -> None:
    edit = f"ipvsadm -e -t {VIP}:80 -r {RS1}:80 -w 1"
    assert broken(cli, "lvs1", f"{edit} -m", f"{edit} -g") == [("nat", "lvs1")]


def test_put_right_again_it_is_proved(cli: Cli, up: None) -> None:
    assert prove(cli)["proved"]


def test_the_other_director_is_proved_while_the_first_has_no_link(cli: Cli, up: None) -> None:
    cli("fail", "lvs1", "link-down", check=False)
    try:
        proof = prove(cli)
    finally:
        cli("heal")
    assert proof["proved"], proof["breaks"]
    assert [a["node"] for a in proof["arp"]] == ["lvs2"]
    assert {h["receiver"] for s in proof["servers"] for h in s["hops"][:1]} == {"lvs2"}


def test_a_real_server_that_answers_arp_for_the_vip(cli: Cli, up: None) -> None:
    address = f"{VIP}/32 dev eth0"
    found = broken(cli, "rs1", f"ip addr add {address}", f"ip addr del {address}")
    # Whom the client believes is chance: the first answer. That both answer is not.
    assert found[0] == ("arp-flux", "rs1")
