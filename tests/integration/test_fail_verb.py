"""``lvslab fail`` and ``lvslab heal`` as a user types them, against a lab with quick timers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
LAB = "fast"
UP = ("--engine", "embedded", "--lab", LAB, "up", "lvs-dr-fast")


@pytest.fixture(scope="module")
def lab_up(module_cli: Cli) -> Iterator[None]:
    """A lab for this module; torn down at its end."""
    module_cli(*UP)
    yield
    module_cli("teardown", LAB)


@pytest.fixture
def on(cli: Cli, lab_up: None) -> Iterator[Cli]:
    """Run a verb on the lab, which is healed and proven ready afterwards."""

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return cli("--lab", LAB, *words, **more)

    yield run
    run("heal")
    cli(*UP)
    assert run("status", "--json").returncode == 0


def measured(on: Cli, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``fail``; once more, where the machine was too busy for a reading."""
    done = on(*words, check=False)
    if done.returncode == 1 and "inconclusive" in done.stdout.lower():
        print("disturbed, once more:", done.stdout)
        on("heal")
        done = on(*words, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def faults_in(on: Cli, node: str) -> list[str]:
    status = json.loads(on("status", "--json", check=False).stdout)
    nodes = [*status["directors"], *status["real_servers"]]
    (found,) = (n["faults"] for n in nodes if n["name"] == node)
    return list(found)


def test_json_is_the_result_and_nothing_else(on: Cli):
    result = json.loads(measured(on, "fail", "lvs1", "--json").stdout)
    assert (result["format"], result["version"]) == ("lvslab-result", 1)
    assert result["run"]["fault"] == "link-down"
    assert result["verdict"]["outcome"] == "within"
    assert result["verdict_takeover"]["outcome"] == "within"
    assert result["bound"]["upper"] == pytest.approx(0.3 + 206 / 256 * 0.1)
    assert result["outage"]["failed"] > 0
    assert result["holds_now"] == {"172.21.1.100": ["lvs2"]}
    # All of it is kept, and says the same again.
    again = json.loads(on("report", result["history"], "--json").stdout)
    (played,) = again["scenarios"][0]["runs"]
    (outage,) = [c for c in played["checks"] if c["expectation"] == "outage within auto"]
    assert outage["measured"] == result["outage"]["seconds"]
    # The fault was left, as nobody said for how long, and the lab is not well.
    assert result["fault"]["healed"] is None
    assert faults_in(on, "lvs1") == ["link-down"]
    assert on("status", "--json", check=False).returncode == 1
    healed = json.loads(on("heal", "lvs1", "--json").stdout)
    assert healed == {"healed": [{"node": "lvs1", "started": False, "faults": ["link-down"]}]}


#: What the text of a failover must contain, in this order: TIME NODE WHAT.
STORY = (
    ("lvs1", r"FAULT link-down"),
    ("lvs1", r"VIP 172\.21\.1\.100/32 off"),
    ("lvs2", r"VIP 172\.21\.1\.100/32 on"),
    ("client", r"first good request to 172\.21\.1\.100:80"),
    ("lvs1", r"HEALED link-down"),
    ("lvs1", r"eth0 up"),
    ("lvs1", r"VIP 172\.21\.1\.100/32 on"),
    ("lvs1", r"VRRP VI_1: MASTER"),
)
#: And somewhere.
SAID = (
    r"lvs1 +eth0 down",
    r"lvs1 +VRRP VI_1: FAULT",
    r"lvs2 +VRRP VI_1: MASTER",
    r"lvs2 +gratuitous ARP: 172\.21\.1\.100 is at [0-9a-f:]{17}",
    r"client +last good request to 172\.21\.1\.100:80",
    r"^  outage +\d\.\d{3} s ± \d\.\d{3} s$",
    r"^  requests +\d+ at 50/s, deadline 1 s; \d+ failed",
    r"^  served by +\d+ rs1, \d+ rs2$",
    r"^  VIP now +172\.21\.1\.100 on lvs1$",
    r"^  bound +outage 0\.280 to 0\.380 s, give or take 0\.25 s: 3 x 0\.1 s",
    r"^  verdict +within: measured ",
    r"fault -> last advert of lvs1",
    r"-> MASTER on lvs2",
    r"^the way back, healed \d\.\d{3} s after the fault$",
)
LINE = re.compile(r"^ *([+-]\d+\.\d{3}) s  (\S+) +(.*)$")


def test_the_text_tells_the_story_in_order(on: Cli):
    text = measured(on, "fail", "lvs1", "--for", "5s").stdout
    print(text)
    told = [
        m.groups() for m in map(LINE.match, text.partition("\nlink-down in")[0].splitlines()) if m
    ]
    place = 0
    for node, what in STORY:
        found = [
            i for i, (_, n, w) in enumerate(told) if i >= place and n == node and re.match(what, w)
        ]
        assert found, f"{node} {what} is not told, or not in its place"
        place = found[0] + 1
    for what in SAID:
        assert re.search(what, text, re.MULTILINE), what
    # What is told late says so; the rest is in the order of its moments.
    moments = [float(t) for t, _, what in told if not what.endswith("(known only now)")]
    assert moments == sorted(moments)
    (healed,) = (float(t) for t, _, what in told if what.startswith("HEALED"))
    assert healed >= 5.0
    assert faults_in(on, "lvs1") == []
    assert text.rstrip().splitlines()[-1].startswith("next: ")


def test_no_watch_only_injects_and_heal_undoes_it(on: Cli):
    done = on("fail", "rs1", "--no-watch")
    assert done.stdout.splitlines()[0] == "httpd-stop is in rs1"
    assert faults_in(on, "rs1") == ["httpd-stop"]
    # Another into the same node would make nothing that could be told apart.
    again = on("fail", "rs1", "freeze", check=False)
    assert again.returncode == 64
    assert "httpd-stop is in rs1 already" in again.stderr
    assert "lvslab heal rs1" in again.stderr
    assert on("heal").stdout.splitlines()[0] == "rs1: healed httpd-stop"
    assert faults_in(on, "rs1") == []
    assert on("heal").stdout.splitlines()[0] == "there was nothing to heal"


def test_a_power_off_is_healed_by_heal(on: Cli):
    on("fail", "rs2", "power-off", "--no-watch")
    assert on("heal", "rs2").stdout.splitlines()[0] == "rs2: started again; healed nothing else"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("client",), 64, "client is a client: it is what measures"),
        (("lvs9",), 64, "has no node 'lvs9'"),
        (("lvs1", "link-donw"), 64, "did you mean 'link-down'?"),
        (("lvs1", "httpd-stop"), 64, "makes no sense on lvs1"),
        (("lvs1", "--no-watch", "--for", "3s"), 64, "not with --no-watch"),
        (("lvs1", "--for", "soon"), 64, "soon"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_done(
    cli: Cli, lab_up: None, words: tuple[str, ...], code: int, said: str
):
    done = cli("--lab", LAB, "fail", *words, check=False)
    assert done.returncode == code
    # The message may be wrapped, in a frame, at the width of what is no terminal.
    assert said in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    assert done.stdout == ""


def test_heal_after_lvslab_was_killed_in_the_middle_of_a_fault(on: Cli, tmp_path: Path):
    before = json.loads(on("status", "--json").stdout)
    words = ("--lab", LAB, "fail", "lvs1", "keepalived-stop", "--for", "300s")
    killed = subprocess.Popen(
        [sys.executable, "-m", "lvslab", *words],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert killed.stdout is not None
    with killed:
        for text in killed.stdout:
            if "FAULT keepalived-stop" in text:
                break
        else:
            pytest.fail("the fault was never told")
        os.kill(killed.pid, signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert faults_in(on, "lvs1") == ["keepalived-stop"]
    assert on("heal").stdout.splitlines()[0] == "lvs1: healed keepalived-stop"
    assert faults_in(on, "lvs1") == []
    on("curl", "-n", "4")
    after = json.loads(on("status", "--json", check=False).stdout)
    services = {d["name"]: sorted(d["services"]) for d in after["directors"]}
    assert services == {d["name"]: sorted(d["services"]) for d in before["directors"]}
    assert all(s["running"] for d in after["directors"] for s in d["services"].values())
