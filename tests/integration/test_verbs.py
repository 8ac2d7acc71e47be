"""Every verb, as a user types it, against one lab."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from lvslab import topology

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
NODES = ["lvs1", "lvs2", "rs1", "rs2", "client"]
VIP = "172.20.1.100"
VRRP = 112


@dataclass(frozen=True)
class Home:
    """A lab that is up, and the file that it came from."""

    file: Path
    up: dict[str, Any]

    def container_ids(self) -> dict[str, str]:
        """Container ids by node, as the engine itself says."""
        client = docker.DockerClient(base_url=self.up["docker_host"])
        try:
            return {c.labels["io.lvslab.node"]: str(c.id) for c in client.containers.list()}
        finally:
            client.close()


@pytest.fixture(scope="module")
def home(module_cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    shipped = topology.builtin("lvs-dr")
    assert shipped is not None
    file = tmp_path_factory.mktemp("home") / "mine.yaml"
    file.write_text(shipped.read_text())
    # The name of the other tests' lab: they share what is saved of it.
    done = module_cli("--engine", "embedded", "--lab", "dr", "up", str(file), "--json")
    yield Home(file, json.loads(done.stdout))
    module_cli("teardown", "dr", check=False)


def shown(cli: Cli, *words: str, check: bool = True) -> Any:
    """What a verb prints with --json."""
    return json.loads(cli(*words, "--json", check=check).stdout)


# -- what looks, and changes nothing --------------------------------------------------------


def test_status(cli: Cli, home: Home):
    status = shown(cli, "status")
    assert status["lab"] == "dr"
    assert status["healthy"] is True
    lvs1, lvs2 = status["directors"]
    assert (lvs1["holds"], lvs2["holds"]) == ([VIP], [])
    assert lvs1["vrrp"]["VI_1"]["state"] == "MASTER"
    assert lvs2["vrrp"]["VI_1"]["state"] == "BACKUP"
    for server in status["real_servers"]:
        assert server["http"]["ok"] is True
        assert server["lo_vips"] == [VIP]
        assert server["sysctls"]["net.ipv4.conf.all.arp_ignore"] == "1"
        assert len(server["listed_in"]) == 2
    (client,) = status["clients"]
    assert client["arp"][VIP]["node"] == "lvs1"
    text = cli("status").stdout
    assert "lab dr is healthy" in text
    assert text.splitlines()[-1].startswith("next: lvslab curl")


def test_list(cli: Cli, home: Home):
    (lab,) = shown(cli, "list")["labs"]
    assert (lab["lab"], lab["engine"], lab["nodes"], lab["running"]) == ("dr", "embedded", 5, 5)
    assert str(home.file) in cli("list").stdout.replace("\n", "")


def test_ipvs(cli: Cli, home: Home):
    tables = shown(cli, "ipvs")
    assert list(tables) == ["lvs1", "lvs2"]
    for table in tables.values():
        (service,) = table["ipvs"]
        assert (service["vip"], service["port"], service["scheduler"]) == (VIP, 80, "rr")
        servers = {(s["address"], s["forward"], s["weight"]) for s in service["servers"]}
        assert servers == {("172.20.1.10", "Route", 1), ("172.20.1.11", "Route", 1)}
    assert "172.20.1.10:80" in cli("ipvs").stdout


def test_curl(cli: Cli, home: Home):
    answer = shown(cli, "curl", "-n", "10")
    assert answer["served_by"] == {"rs1": 5, "rs2": 5}
    assert answer["failed"] == {}
    assert "50%" in cli("curl", "-n", "4").stdout


def test_curl_of_a_vip_that_is_not_there(cli: Cli, home: Home):
    done = cli("curl", "--vip", "172.20.1.99", check=False)
    assert done.returncode == 6
    assert f"{VIP}:80" in done.stderr


def test_plan(cli: Cli, home: Home):
    plan = shown(cli, "plan", str(home.file))
    assert [n["name"] for n in plan["nodes"]] == NODES
    files = cli("plan", str(home.file), "--files").stdout
    assert "virtual_router_id 51" in files


def test_doctor(cli: Cli, home: Home):
    found = shown(cli, "--engine", "embedded", "doctor")
    assert found["takes"] == "embedded"
    assert {c["status"] for c in found["checks"]["embedded"]} <= {"ok", "warn"}


def test_faults(cli: Cli, home: Home):
    known = {f["name"]: f for f in shown(cli, "faults")}
    defaults = {role: f["name"] for f in known.values() for role in f["default_for"]}
    assert defaults == {"director": "link-down", "real-server": "httpd-stop"}


def test_engine_list_and_env(cli: Cli, home: Home):
    (machine,) = shown(cli, "engine", "list")["machines"]
    assert (machine["name"], machine["running"]) == ("lab-dr", True)
    host = shown(cli, "engine", "env", "lab-dr")["DOCKER_HOST"]
    assert host == home.up["docker_host"]


# -- what reaches into nodes ----------------------------------------------------------------


def test_exec_passes_output_input_and_exit_code(cli: Cli, home: Home):
    done = cli("exec", "rs1", "--", "sh", "-c", "hostname; echo to-err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout) == (7, "rs1\n")
    assert "to-err" in done.stderr
    text = "".join(f"line {n}\n" for n in range(2000))
    assert cli("exec", "rs1", "--", "cat", stdin=text).stdout == text


def test_exec_in_a_node_that_is_not_there(cli: Cli, home: Home):
    done = cli("exec", "lvs3", "--", "true", check=False)
    assert done.returncode == 6
    assert "lvs3" in done.stderr
    assert all(name in done.stderr for name in NODES)


def test_shell_on_a_terminal(home: Home):
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-m", "lvslab", "shell", "rs2"]
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        # What is typed before the prompt is thrown away when the terminal turns raw.
        said = read_terminal(ours, until=b"# ")
        os.write(ours, b"echo on-$(hostname)\nexit 3\n")
        said += read_terminal(ours)
        assert process.wait(60) == 3
    os.close(ours)
    assert b"on-rs2" in said


def read_terminal(fd: int, until: bytes | None = None) -> bytes:
    """Read until the text comes, or the other end closes (EIO, for a pseudo-terminal)."""
    said = b""
    while until is None or until not in said:
        ready, _, _ = select.select([fd], [], [], 60)
        assert ready, f"nothing more came after {said!r}"
        try:
            said += os.read(fd, 4096)
        except OSError:
            break
    return said


def test_shell_needs_a_terminal(cli: Cli, home: Home):
    assert cli("shell", "rs2", check=False).returncode == 64


def test_logs(cli: Cli, home: Home):
    lines = cli("logs", "lvs1").stdout.splitlines()
    assert any("Entering MASTER STATE" in line for line in lines)
    assert cli("logs", "lvs1", "--tail", "2").stdout.splitlines() == lines[-2:]


def test_capture_to_a_file(cli: Cli, home: Home, tmp_path: Path):
    file = tmp_path / "vrrp.pcap"
    cli("capture", "lvs2", "--filter", "ip proto 112", "-w", str(file), "--for", "6s")
    packets = read_pcap(file.read_bytes())
    # One advert a second, once tcpdump has started.
    assert packets
    assert {source_and_protocol(p) for p in packets} == {("172.20.1.1", VRRP)}


def test_capture_to_a_pipe_until_ctrl_c(home: Home):
    argv = [sys.executable, "-m", "lvslab", "capture", "lvs1", "-w", "-", "--filter", "vrrp"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # The file's header and a packet's, while it goes on: a reader sees it as it comes.
        data = process.stdout.read(24 + 16)
        process.send_signal(signal.SIGINT)
        data += process.stdout.read()
        assert process.wait(60) == 0
    packets = read_pcap(data)
    assert {source_and_protocol(p) for p in packets} == {("172.20.1.1", VRRP)}


def test_capture_with_a_filter_that_is_none(cli: Cli, home: Home):
    done = cli("capture", "lvs1", "--filter", "no such thing", "--for", "5s", check=False)
    assert done.returncode == 5
    assert "syntax error" in done.stderr


def test_proxy_alternates_between_the_real_servers(home: Home):
    argv = [sys.executable, "-m", "lvslab", "proxy", "--port", "0", "--json"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        listening = json.loads(process.stdout.readline())
        assert listening["url"].startswith("http://127.0.0.1:")
        bodies = []
        for _ in range(2):
            with opener.open(listening["url"], timeout=30) as answer:
                bodies.append(answer.read().decode().strip())
        told = [json.loads(process.stdout.readline()) for _ in bodies]
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait(60) == 0
    assert sorted(bodies) == ["from 172.20.1.10", "from 172.20.1.11"]
    assert [(t["event"], t["status"]) for t in told] == [("request", 200)] * 2


# -- what changes the lab -------------------------------------------------------------------


def test_up_again_changes_nothing(cli: Cli, home: Home):
    before = home.container_ids()
    again = shown(cli, "--lab", "dr", "up", str(home.file))
    assert {c["verb"] for c in again["changes"]} == {"keep"}
    assert again["how"] == "running"
    assert home.container_ids() == before


def test_up_replaces_only_what_differs_and_a_dry_run_says_exactly_that(cli: Cli, home: Home):
    edited = home.file
    text = home.file.read_text()
    text = text.replace("priority: 50}", "priority: 60}")
    text = text.replace("clients:\n", "clients:\n  browser: {address: 172.20.1.201}\n")
    edited.write_text(text)
    before = home.container_ids()

    foretold = shown(cli, "--lab", "dr", "up", str(edited), "--dry-run")["changes"]
    assert home.container_ids() == before
    doing = {c["name"]: c["verb"] for c in foretold if c["kind"] == "node"}
    assert doing == dict.fromkeys(NODES, "keep") | {"lvs2": "replace", "browser": "create"}

    done = shown(cli, "--lab", "dr", "up", str(edited))
    assert done["changes"] == foretold
    after = home.container_ids()
    assert {n for n in before if before[n] != after[n]} == {"lvs2"}
    assert set(after) - set(before) == {"browser"}
    status = shown(cli, "status")
    assert status["directors"][1]["vrrp"]["VI_1"]["priority"] == 60
    assert [c["name"] for c in status["clients"]] == ["browser", "client"]

    text = cli("--lab", "dr", "up", str(edited), "--dry-run").stdout
    assert "nothing was done yet" in text


# -- the end --------------------------------------------------------------------------------


def test_teardown_needs_no_topology(cli: Cli, home: Home, own_folders: Path):
    home.file.unlink()
    assert shown(cli, "teardown") == {"removed": ["dr"]}
    assert shown(cli, "list") == {"labs": []}
    assert not (own_folders / "run" / "lab-dr").exists()


def test_teardown_of_nothing(cli: Cli):
    done = cli("teardown", "no-such-lab", check=False)
    assert done.returncode == 6
    assert "no-such-lab" in done.stderr


def test_nothing_is_up(cli: Cli):
    cli("teardown", "--all")
    for verb in ("status", "ipvs", "curl"):
        done = cli(verb, check=False)
        assert done.returncode == 6
        assert "lvslab up" in done.stderr


def test_up_of_a_topology_that_is_not_there(cli: Cli):
    done = cli("up", "no-such-topology", check=False)
    assert done.returncode == 6
    assert "lvs-dr" in done.stderr


# -- pcap -----------------------------------------------------------------------------------


def read_pcap(data: bytes) -> list[bytes]:
    """The packets of a pcap file (draft-ietf-opsawg-pcap); it must end with a whole one."""
    magic, major, _, _, _, _, linktype = struct.unpack_from("=IHHiIII", data)
    assert magic in (0xA1B2C3D4, 0xA1B23C4D)
    assert (major, linktype) == (2, 1)
    packets, at = [], 24
    while at < len(data):
        _, _, captured, _ = struct.unpack_from("=IIII", data, at)
        at += 16
        assert at + captured <= len(data)
        packets.append(data[at : at + captured])
        at += captured
    return packets


def source_and_protocol(packet: bytes) -> tuple[str, int]:
    """Source address and protocol of an IPv4 packet in an Ethernet frame."""
    assert packet[12:14] == b"\x08\x00"
    return ".".join(str(b) for b in packet[26:30]), packet[23]
