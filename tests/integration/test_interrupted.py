"""lvslab killed, or told to stop, at any moment of ``up``: nothing is left, or it is completed."""

from __future__ import annotations

import fcntl
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from lvslab import labels, topology
from lvslab.engine.embedded.manager import Manager
from lvslab.plan import agent_files, make_plan
from lvslab.progress import Silent

from .small import LAB, SMALL

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SEED = 20
#: How many of the twenty kills hit each way up.
RESTORED, UNSAVED, ON_DOCKER = 11, 4, 5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("small") / "small.yaml"
    file.write_text(SMALL)
    return file


@pytest.fixture(autouse=True)
def clear(cli: Cli) -> Iterator[None]:
    """No embedded lab is left for the next test, whatever became of this one."""
    yield
    cli("--engine", "embedded", "teardown", LAB, check=False)


@pytest.fixture
def plain(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """A plain Docker engine with ip_vs, named by DOCKER_HOST; a client of it."""
    cli("engine", "start")
    host = json.loads(cli("engine", "env", "--json").stdout)["DOCKER_HOST"]
    monkeypatch.setenv("DOCKER_HOST", host)
    client = docker.DockerClient(base_url=host)
    try:
        yield client
    finally:
        client.close()
        cli("engine", "stop")


def up_argv(engine: str, file: Path) -> list[str]:
    return [sys.executable, "-m", "lvslab", "--engine", engine, "up", str(file)]


def killed_after(seconds: float, engine: str, file: Path) -> float | None:
    """Kill an ``up`` with -9 after so long; the seconds that it took if it had ended before."""
    began = time.monotonic()
    with subprocess.Popen(
        up_argv(engine, file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            assert process.wait(10) == -signal.SIGKILL
            return None
        return time.monotonic() - began


def moments(count: int, seed: int) -> list[float]:
    """Random moments of an ``up``, one in each of ``count`` equal parts of it, in random order."""
    dice = random.Random(SEED + seed)
    found = [(part + dice.random()) / count for part in range(count)]
    dice.shuffle(found)
    return found


def timed(cli: Cli, engine: str, file: Path) -> float:
    began = time.monotonic()
    cli("--engine", engine, "up", str(file))
    return time.monotonic() - began


def proven(cli: Cli) -> None:
    """The lab serves, whoever says so."""
    answer = json.loads(cli("curl", "-n", "3", "--json").stdout)
    assert answer["served_by"] == {"rs1": 3}


def removed(cli: Cli) -> None:
    """Tear down; that there was nothing yet (killed before it began) is as good."""
    done = cli("teardown", LAB, check=False)
    assert done.returncode in (0, 6), done.stderr


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that name the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in words:
                found.append(words)
    return found


def being_made(folder: Path) -> bool:
    """Does somebody hold the lock of the cache entry that the folder is to become?"""
    lock = folder.parent / (folder.name[1:].rpartition("-")[0] + ".lock")
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return not folder.exists()


def assert_no_trace(folder: Path) -> None:
    """Nothing of the lab's machine is left in this run's folders."""
    run = folder / "run"
    assert processes_of(run / f"lab-{LAB}") == []
    assert [p.name for p in run.iterdir() if LAB in p.name and p.suffix != ".lock"] == []
    assert not (folder / "state" / "lvslab" / "labs" / f"{LAB}.json").exists()
    # Of a save that was killed: that of nobody else, who would hold its lock, is looked at.
    cache = Manager(Silent()).cache.root
    assert [p.name for p in cache.glob(".state-*") if not being_made(p)] == []


def assert_nothing_on(client: docker.DockerClient) -> None:
    mine = labels.of_lab(LAB)
    assert client.api.containers(all=True, filters=mine) == []
    assert client.api.networks(filters=mine) == []
    assert client.api.volumes(filters=mine)["Volumes"] in (None, [])


def forget_saved(file: Path) -> None:
    """Delete the lab's saved state, so that the next ``up`` makes and saves it."""
    plan = make_plan(topology.load(file), LAB, agent_files=agent_files())
    cache = Manager(Silent()).cache
    for entry in cache.entries():
        if entry.facts.get("what") == plan.digest:
            cache.remove(entry.kind, entry.key)


def cut_and_mend(
    cli: Cli,
    engine: str,
    file: Path,
    when: list[float],
    check: Callable[[], None],
    before: Callable[[], None] = lambda: None,
) -> int:
    """Kill an ``up`` at each moment; then tear down, or bring up, in turn. How many were killed.

    The moments are parts of how long an ``up`` takes: the one timed first and, when one was
    quicker than that (the machine is less busy now), of the quicker one, tried again.
    """
    before()
    seconds = timed(cli, engine, file)
    cli("--engine", engine, "teardown", LAB)
    killed = 0
    for number, part in enumerate(when):
        for _ in range(3):
            before()
            quicker = killed_after(part * seconds, engine, file)
            if quicker is None:
                killed += 1
                break
            seconds = min(seconds, quicker)
            removed(cli)
        if number % 2:
            cli("--engine", engine, "up", str(file))
            proven(cli)
        removed(cli)
        check()
    return killed


def test_killed_at_any_moment_of_a_restore(cli: Cli, small: Path, own_folders: Path):
    cli("--engine", "embedded", "up", str(small))  # saves it, if it was not
    cli("teardown", LAB)
    when = moments(RESTORED, 1)
    killed = cut_and_mend(cli, "embedded", small, when, lambda: assert_no_trace(own_folders))
    assert killed >= RESTORED - 2


def test_killed_at_any_moment_of_a_fresh_up_with_its_save(cli: Cli, small: Path, own_folders: Path):
    killed = cut_and_mend(
        cli,
        "embedded",
        small,
        moments(UNSAVED, 2),
        check=lambda: assert_no_trace(own_folders),
        before=lambda: forget_saved(small),
    )
    assert killed >= UNSAVED - 1


def test_killed_at_any_moment_on_a_docker_engine(
    cli: Cli, small: Path, own_folders: Path, plain: docker.DockerClient
):
    def check() -> None:
        assert_nothing_on(plain)
        assert_no_trace(own_folders)

    killed = cut_and_mend(cli, "docker", small, moments(ON_DOCKER, 3), check)
    assert killed >= ON_DOCKER - 2


# -- Ctrl-C ---------------------------------------------------------------------------------


def interrupted_at(step: str, engine: str, file: Path) -> tuple[int, str]:
    """Interrupt an ``up`` when it says that it does something; its exit code, what it said."""
    with subprocess.Popen(
        up_argv(engine, file), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if step in line and "done" not in line:
                process.send_signal(signal.SIGINT)
                break
        said += process.stderr.read()
        return process.wait(60), said


@pytest.mark.parametrize("step", ["restoring the saved lab", "proving it ready"])
def test_ctrl_c_in_a_restore_rolls_back(cli: Cli, small: Path, own_folders: Path, step: str):
    if step == "restoring the saved lab":
        cli("--engine", "embedded", "up", str(small))
        cli("teardown", LAB)
    code, said = interrupted_at(step, "embedded", small)
    assert code == 130, said
    assert "cancelled" in said
    assert "stays" not in said
    assert "Traceback" not in said
    assert_no_trace(own_folders)
    assert json.loads(cli("list", "--json").stdout) == {"labs": []}


def test_ctrl_c_on_a_docker_engine(
    cli: Cli, small: Path, own_folders: Path, plain: docker.DockerClient
):
    # A fresh one is rolled back.
    code, said = interrupted_at("starting rs1", "docker", small)
    assert code == 130, said
    assert "removed again" in said
    assert_nothing_on(plain)
    assert_no_trace(own_folders)

    # One that was there before stays.
    cli("--engine", "docker", "up", str(small))

    def ids() -> dict[str, str]:
        containers = plain.containers.list(filters={"label": f"{labels.LAB}={LAB}"})
        return {c.labels[labels.NODE]: str(c.id) for c in containers}

    before = ids()
    edited = small.with_name("edited.yaml")
    edited.write_text(SMALL.replace("advert_int: 0.1", "advert_int: 0.2"))
    code, said = interrupted_at("starting lvs1", "docker", edited)
    assert code == 130, said
    assert "stays" in said
    after = ids()
    assert {n: after.get(n) for n in ("rs1", "client")} == {n: before[n] for n in ("rs1", "client")}
    cli("--engine", "docker", "up", str(edited))
    proven(cli)
    cli("--engine", "docker", "teardown", LAB)
    assert_nothing_on(plain)
