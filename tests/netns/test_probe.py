"""The probe against a real server and a real black-out."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import Line, Node, rig

RATE = 50
INTERVAL = 1 / RATE
SERVER = "172.20.1.10"
DROP = (
    "add table ip dark;"
    "add chain ip dark out { type filter hook output priority 0; };"
    "add rule ip dark out tcp dport 80 drop"
)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    with rig(tmp_path_factory.mktemp("probe")) as opened:
        services = [opened.httpd(SERVER)]
        server = opened.node("rs1", SERVER, role="real-server", services=services)
        client = opened.node("client", "172.20.1.20", role="client", vips=[SERVER])
        server.start()
        client.start()
        server.event("service.ready", service="httpd")
        yield server, client


def start(client: Node, name: str, **more: Any) -> Line:
    order: Line = {"rate": RATE, "deadline": 0.9, "lease": 60}
    order["targets"] = [{"vip": SERVER, "port": 80, "path": "/"}]
    return client.do("probe.start", probe=name, **order | more)


def results(client: Node, name: str) -> list[Line]:
    found = [line for line in client.events("probe.result") if line["probe"] == name]
    return sorted(found, key=lambda line: line["seq"])


def wait_for(client: Node, name: str, count: int) -> None:
    client.wait(lambda line: line.get("probe") == name and line.get("seq", -1) >= count)


def test_a_black_out_is_read_to_within_one_interval(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    start(client, "dark")
    wait_for(client, "dark", RATE)
    earliest = time.monotonic()
    client.nft(DROP)
    begun = time.monotonic()
    time.sleep(0.5)  # the black-out itself: its real length is what is compared with
    ending = time.monotonic()
    client.nft("delete table ip dark")
    latest = time.monotonic()
    last = max(line["seq"] for line in results(client, "dark"))
    wait_for(client, "dark", last + RATE)
    client.do("probe.stop", probe="dark")
    stopped = client.event("probe.stopped", probe="dark")

    seen = results(client, "dark")
    assert [line["seq"] for line in seen] == list(range(stopped["sent"]))
    bad = [line for line in seen if line["result"] != "ok"]
    assert {line["result"] for line in bad} <= {"late", "timeout"}
    # One gap, and the server is known before and after it.
    assert [line["seq"] for line in bad] == list(range(bad[0]["seq"], bad[-1]["seq"] + 1))
    assert {line["server"] for line in seen if line["result"] == "ok"} == {SERVER}
    read = len(bad) * INTERVAL
    tolerance = INTERVAL + stopped["max_late"]
    assert ending - begun - tolerance <= read <= latest - earliest + tolerance
    after = seen[bad[-1]["seq"] + 1]
    before = seen[bad[0]["seq"] - 1]
    assert after["start"] >= ending - tolerance
    assert before["start"] <= begun + tolerance
    assert stopped["by_result"]["ok"] == len(seen) - len(bad)


def test_the_schedule_does_not_drift(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    t0 = start(client, "drift", rate=100)["t0"]
    wait_for(client, "drift", 150)
    client.do("probe.stop", probe="drift")
    client.event("probe.stopped", probe="drift")
    for line in results(client, "drift"):
        assert line["due"] == pytest.approx(t0 + line["seq"] / 100, abs=2e-6)
        assert line["start"] >= line["due"]


def test_a_lease_that_is_not_renewed_runs_out(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    begun = start(client, "lease", lease=1.0)["t0"]
    stopped = client.event("probe.stopped", probe="lease")
    assert stopped["t"] >= begun + 0.9
    assert client.ask("probe.renew", probe="lease")["ok"] is False


def test_what_the_client_meets_has_a_name(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    closed = [{"vip": SERVER, "port": 81, "path": "/"}]
    nowhere = [{"vip": "198.51.100.1", "port": 80, "path": "/"}]
    client.ip("route", "add", "unreachable", "198.51.100.0/24")
    start(client, "closed", targets=closed)
    start(client, "nowhere", targets=nowhere)
    start(client, "missing", targets=[{"vip": SERVER, "port": 80}, *closed])
    for name in ("closed", "nowhere", "missing"):
        wait_for(client, name, 4)
        client.do("probe.stop", probe=name)
        client.event("probe.stopped", probe=name)
    assert {line["result"] for line in results(client, "closed")} == {"refused"}
    assert {line["result"] for line in results(client, "nowhere")} == {"unreachable"}
    by_target = {line["target"]: line["result"] for line in results(client, "missing")}
    assert by_target == {f"{SERVER}:80": "ok", f"{SERVER}:81": "refused"}


def test_late_is_not_a_timeout(nodes: tuple[Node, Node]) -> None:
    server, client = nodes
    start(client, "late", deadline=0.5)
    wait_for(client, "late", 5)
    mark = server.mark()
    server.do("inject", fault="freeze", fault_id="f", ops=[{"op": "freeze"}], heal=[{"op": "thaw"}])
    frozen = server.event("fault.injected", since=mark)["t_end"]
    client.wait(lambda line: line.get("result") == "timeout" and line["probe"] == "late")
    server.do("heal")
    thawed = server.event("fault.healed", since=mark)["t"]
    client.wait(
        lambda line: line.get("result") == "ok" and line["probe"] == "late"
        and line["start"] > thawed
    )  # fmt: skip
    client.do("probe.stop", probe="late")
    client.event("probe.stopped", probe="late")
    seen = results(client, "late")
    for line in seen:
        if line["result"] == "late":
            assert line["start"] + 0.5 < line["end"] <= line["start"] + 0.5 + 1.0 + INTERVAL * 5
            assert line["server"] == SERVER
        elif line["result"] == "timeout":
            assert line["end"] == pytest.approx(line["start"] + 0.5, abs=1e-5)
            assert line["start"] >= frozen - 0.5
    assert {"ok", "late", "timeout"} == {line["result"] for line in seen}


def test_requests_one_after_the_other(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    order = {"vip": SERVER, "port": 80, "path": "/", "count": 5, "deadline": 2}
    found = client.do("request", **order)["results"]
    assert [(r["result"], r["server"]) for r in found] == [("ok", SERVER)] * 5
    assert all(r["ms"] > 0 for r in found)
    (refused,) = client.do("request", **order | {"port": 81, "count": 1})["results"]
    assert refused["result"] == "refused"


def test_a_killed_probe_is_reported(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    start(client, "killed")
    wait_for(client, "killed", 3)
    pids = [p for p in client.pids() if Path(f"/proc/{p}/comm").read_text().startswith("python")]
    os.kill(max(pids), signal.SIGKILL)
    stopped = client.event("probe.stopped", probe="killed")
    assert "-9" in stopped["error"]
    start(client, "killed")
    client.do("probe.stop", probe="killed")


def test_no_time_wait_is_left(nodes: tuple[Node, Node]) -> None:
    _, client = nodes
    start(client, "clean")
    wait_for(client, "clean", 60)
    client.do("probe.stop", probe="clean")
    client.event("probe.stopped", probe="clean")
    sockets = subprocess.run(
        ["ip", "netns", "exec", client.netns, "ss", "-Htan", "dport", "=", ":80"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "TIME-WAIT" not in sockets
