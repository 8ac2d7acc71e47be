"""The exported Compose file on a plain engine: it comes up and serves the VIP."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lvslab.engine.images import node_image_ref

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
Compose = Callable[..., str]
#: Configurations within the file.
NEEDED = (2, 23, 1)


def _version(words: list[str]) -> tuple[int, ...]:
    try:
        done = subprocess.run(
            [*words, "version", "--short"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ()
    told = done.stdout.strip().removeprefix("v").split("-")[0]
    return tuple(int(p) for p in told.split(".") if p.isdigit()) if done.returncode == 0 else ()


@pytest.fixture
def compose(module_cli: Cli, tmp_path: Path) -> Iterator[Compose]:
    """Runs Compose on the exported lvs-dr with a plain engine, and takes it all down again."""
    words = next(
        (w for w in (["docker", "compose"], ["docker-compose"]) if _version(w) >= NEEDED), None
    )
    if words is None:
        pytest.skip("needs Docker Compose 2.23.1 or later")
    folder = tmp_path / "export"
    module_cli("export", "lvs-dr", "-o", str(folder))
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


def test_the_compose_file_comes_up_and_every_real_server_answers_at_the_vip(compose: Compose):
    compose("up", "-d", "--no-build")
    # keepalived takes the VIP after its master-down interval (3.6 s), and a server into its
    # table after one good answer or two, a delay_loop apart (12 s).
    until = time.monotonic() + 60
    seen: set[str] = set()
    while seen != {"from 172.20.1.10", "from 172.20.1.11"} and time.monotonic() < until:
        asked = "curl -s -m 2 --retry 20 --retry-delay 1 --retry-all-errors http://172.20.1.100/"
        seen.add(compose("exec", "-T", "client", "sh", "-c", asked).strip())
    assert seen == {"from 172.20.1.10", "from 172.20.1.11"}
    table = compose("exec", "-T", "lvs1", "ipvsadm", "-Ln")
    assert table.count("Route") == 2
