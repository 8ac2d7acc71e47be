"""The exported Compose files on a plain engine: each comes up and serves the VIP in its way."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lvslab.engine.images import node_image_ref

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Compose = Callable[..., str]


@dataclass(frozen=True)
class Way:
    """A topology that ships, and what its lab is seen by."""

    topology: str
    vip: str
    #: How IPVS calls it.
    forward: str
    servers: tuple[str, str]
    #: The Compose that knows configurations within the file, and with NAT an interface's name.
    compose: tuple[int, ...] = (2, 23, 1)


DR = Way("lvs-dr", "172.20.1.100", "Route", ("172.20.1.10", "172.20.1.11"))
NAT = Way("lvs-nat", "172.23.1.100", "Masq", ("10.23.0.10", "10.23.0.11"), (2, 27, 1))
TUN = Way("lvs-tun", "172.24.1.100", "Tunnel", ("172.24.1.10", "172.24.1.11"))
GATEWAY = "10.23.0.254"


def _version(words: list[str]) -> tuple[int, ...]:
    try:
        done = subprocess.run(
            [*words, "version", "--short"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ()
    told = done.stdout.strip().removeprefix("v").split("-")[0]
    return tuple(int(p) for p in told.split(".") if p.isdigit()) if done.returncode == 0 else ()


@pytest.fixture(params=[DR, NAT, TUN], ids=lambda way: way.topology)
def way(request: pytest.FixtureRequest) -> Way:
    one: Way = request.param
    return one


@pytest.fixture
def compose(module_cli: Cli, tmp_path: Path, way: Way) -> Iterator[Compose]:
    """Runs Compose on an exported topology with a plain engine, and takes it all down again."""
    words = next(
        (w for w in (["docker", "compose"], ["docker-compose"]) if _version(w) >= way.compose), None
    )
    if words is None:
        pytest.skip(f"needs Docker Compose {'.'.join(map(str, way.compose))} or later")
    folder = tmp_path / "export"
    module_cli("export", way.topology, "-o", str(folder))
    engine = json.loads(module_cli("engine", "start", "--json").stdout)["engine"]
    environment = os.environ | {
        "DOCKER_HOST": engine["docker_host"],
        "LVS_NODE_IMAGE": node_image_ref("trixie"),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*words, *arguments], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        yield run
    finally:
        run("down", "--timeout", "1")
        module_cli("engine", "stop", check=False)


def test_the_compose_file_comes_up_and_every_real_server_answers_at_the_vip(
    compose: Compose, way: Way
):
    compose("up", "-d", "--no-build")
    # keepalived takes the VIP after its master-down interval (3.6 s), and a server into its
    # table after one good answer or two, a delay_loop apart (12 s).
    until = time.monotonic() + 60
    wanted = {f"from {address}" for address in way.servers}
    asked = f"curl -s -m 2 --retry 20 --retry-delay 1 --retry-all-errors http://{way.vip}/"
    seen: set[str] = set()
    while seen != wanted and time.monotonic() < until:
        seen.add(compose("exec", "-T", "client", "sh", "-c", asked).strip())
    assert seen == wanted
    table = compose("exec", "-T", "lvs1", "ipvsadm", "-Ln")
    assert table.count(f" {way.forward} ") == 2

    def by_ip(node: str, *words: str) -> str:
        return compose("exec", "-T", node, "ip", "-4", *words)

    real_server = by_ip("rs1", "-o", "address")
    if way is NAT:
        # Each network has one interface of a director, and they did not change places.
        assert "172.23.1.1/16" in by_ip("lvs1", "-o", "address", "show", "dev", "eth0")
        inside = by_ip("lvs1", "-o", "address", "show", "dev", "eth1")
        assert "10.23.0.1/24" in inside
        assert f"{GATEWAY}/32" in inside
        route = by_ip("rs1", "route", "show", "default").splitlines()
        assert [one.split()[:5] for one in route] == [["default", "via", GATEWAY, "dev", "eth0"]]
        assert way.vip not in real_server
    else:
        (device,) = (line.split()[1] for line in real_server.splitlines() if way.vip in line)
        assert device == ("tunl0" if way is TUN else "lo")
    if way is TUN:
        header = "X-Long: " + "x" * 4000
        page = f"http://{way.vip}/"
        said = compose("exec", "-T", "client", "curl", "-s", "-m", "10", "-H", header, page)
        assert said.strip() in wanted
