"""The docker engine, on a Docker that can do IPVS and on one that cannot; labs side by side."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from docker.errors import DockerException

from lvslab import labels
from lvslab.engine import images
from lvslab.engine.ipvs_check import probe_ipvs
from lvslab.progress import Silent

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = """
name: {name}
network: {{subnet: {net}.0.0/16}}
directors: {{lvs1: {{address: {net}.1.1}}}}
real_servers: {{rs1: {{address: {net}.1.10}}, rs2: {{address: {net}.1.11}}}}
clients: {{client: {{address: {net}.1.200}}}}
vrrp_instances: {{VI_1: {{vips: [{net}.1.100], version: 3, advert_int: 0.1}}}}
virtual_servers: [{{vip: {net}.1.100, delay_loop: 0.5, check: {{type: HTTP_GET}}}}]
"""


@pytest.fixture(scope="module")
def host(module_cli: Cli) -> Iterator[str]:
    """The DOCKER_HOST of a plain Docker engine with ip_vs, as a shell takes it."""
    started = json.loads(module_cli("engine", "start", "--json").stdout)
    line = module_cli("engine", "env").stdout
    shown = subprocess.run(
        ["sh", "-c", f'eval {shlex.quote(line)}; echo "$DOCKER_HOST"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == started["engine"]["docker_host"]
    yield shown.stdout.strip()
    module_cli("engine", "stop", check=False)


@pytest.fixture
def named(host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    """DOCKER_HOST names that engine; a client of it, and an engine with no lab at the end."""
    monkeypatch.setenv("DOCKER_HOST", host)
    client = docker.DockerClient(base_url=host)
    try:
        yield client
    finally:
        for container in client.containers.list(all=True):
            container.remove(force=True)
        client.networks.prune()
        client.volumes.prune()
        client.close()


def write(folder: Path, name: str, net: str) -> str:
    file = folder / f"{name}.yaml"
    file.write_text(SMALL.format(name=name, net=net))
    return str(file)


def shown(cli: Cli, *words: str) -> Any:
    return json.loads(cli(*words, "--json").stdout)


def node_image(client: docker.DockerClient) -> str:
    ref = images.node_image_ref("trixie")
    assert images.has_image(client, ref)
    return ref


# -- an engine with ip_vs -------------------------------------------------------------------


def test_doctor_finds_it_usable(cli: Cli, named: docker.DockerClient):
    found = shown(cli, "doctor")
    assert found["takes"] == "docker"
    checks = {c["name"]: c["status"] for c in found["checks"]["docker"]}
    assert checks["ip_vs"] == checks["ipip"] == "ok"
    assert named.containers.list(all=True) == []  # the one that tried it is gone


def test_what_a_killed_trial_left_is_swept_and_a_younger_trial_is_not(
    named: docker.DockerClient,
):
    def trial() -> str:
        """The container of an lvslab that has just made it, or was killed then."""
        made = named.api.create_container(
            node_image(named), ["true"], labels={labels.CHECK: "ipvs"}
        )
        return str(made["Id"])

    def there() -> set[str]:
        return {str(c["Id"]) for c in named.api.containers(all=True)}

    stranger = str(named.api.create_container(node_image(named), ["true"])["Id"])
    left = trial()
    assert probe_ipvs(named).ok
    assert there() == {stranger, left}
    # As if so long had passed since, and one more.
    assert probe_ipvs(named, leftover_after=0).ok
    assert there() == {stranger}


def test_auto_takes_it_and_two_labs_live_on_it(
    cli: Cli, named: docker.DockerClient, host: str, tmp_path: Path
):
    first = shown(cli, "up", write(tmp_path, "one", "172.31"))
    assert (first["engine"], first["docker_host"], first["refused"]) == ("docker", host, None)
    cli("--engine", "docker", "up", write(tmp_path, "two", "172.30"))
    labs = {one["lab"]: (one["engine"], one["running"]) for one in shown(cli, "list")["labs"]}
    assert labs == {"one": ("docker", 4), "two": ("docker", 4)}
    for lab in labs:
        assert shown(cli, "--lab", lab, "status")["healthy"] is True
        answer = shown(cli, "--lab", lab, "curl", "-n", "4")
        assert answer["served_by"] == {"rs1": 2, "rs2": 2}
    # Several labs, and none named: it asks which.
    ambiguous = cli("status", check=False)
    assert ambiguous.returncode == 64
    assert "one, two" in ambiguous.stderr

    # A fault in one is none in the other.
    cli("--lab", "one", "fail", "rs1", "--no-watch")
    status = cli("--lab", "one", "status", "--json", check=False)
    assert status.returncode == 1
    assert any("rs1" in reason for reason in json.loads(status.stdout)["reasons"])
    assert shown(cli, "--lab", "two", "curl", "-n", "4")["served_by"] == {"rs1": 2, "rs2": 2}

    cli("teardown", "one")
    assert [one["lab"] for one in shown(cli, "list")["labs"]] == ["two"]
    assert shown(cli, "--lab", "two", "status")["healthy"] is True
    cli("teardown", "--all")
    assert named.containers.list(all=True) == []
    assert {n.name for n in named.networks.list()} == {"bridge", "host", "none"}
    assert named.volumes.list() == []


def test_a_foreign_container_with_a_nodes_name_is_left_alone(
    cli: Cli, named: docker.DockerClient, tmp_path: Path
):
    file = write(tmp_path, "one", "172.31")
    name = next(n["container"] for n in shown(cli, "plan", file)["nodes"] if n["name"] == "rs2")
    foreign = named.containers.create(node_image(named), name=name)
    refused(cli, file, name, "docker rename")
    foreign.reload()
    assert (foreign.name, foreign.status) == (name, "created")
    assert [c.id for c in named.containers.list(all=True)] == [foreign.id]
    assert {n.name for n in named.networks.list()} == {"bridge", "host", "none"}


def test_a_subnet_in_use_is_left_alone(cli: Cli, named: docker.DockerClient, tmp_path: Path):
    pool = docker.types.IPAMPool(subnet="172.31.128.0/24")
    ipam = docker.types.IPAMConfig(pool_configs=[pool])
    foreign = named.networks.create("theirs", ipam=ipam)
    refused(cli, write(tmp_path, "one", "172.31"), "theirs", "docker network rm theirs")
    assert named.containers.list(all=True) == []
    assert {n.name for n in named.networks.list()} == {"bridge", "host", "none", "theirs"}
    foreign.remove()


def test_a_lab_where_another_lab_is(cli: Cli, named: docker.DockerClient, tmp_path: Path):
    cli("up", write(tmp_path, "one", "172.31"))
    before = sorted(str(c.id) for c in named.containers.list())
    refused(cli, write(tmp_path, "two", "172.31"), "part of lab 'one'", "teardown --lab one")
    assert sorted(str(c.id) for c in named.containers.list()) == before
    cli("teardown", "one")


def refused(cli: Cli, file: str, *words: str) -> None:
    """``up`` and its dry run refuse with exit code 5, say the words, and remember nothing."""
    for more in ([], ["--dry-run"]):
        done = cli("--engine", "docker", "up", file, *more, check=False)
        said = re.sub(r"\s+", " ", done.stderr)
        assert done.returncode == 5, said
        assert all(word in said for word in words), said
    assert cli("status", check=False).returncode in (6, 0)


# -- an engine without ----------------------------------------------------------------------


def _has_ip_vs() -> bool:
    tried = (
        subprocess.run(["ipvsadm", "-Ln"], capture_output=True) if shutil.which("ipvsadm") else None
    )
    return Path("/proc/net/ip_vs").exists() or (tried is not None and tried.returncode == 0)


@contextmanager
def native(folder: Path) -> Iterator[docker.DockerClient]:
    """A dockerd on this very kernel, in a folder of its own; it makes no bridge."""
    (folder / "config").write_text("{}")  # not the host's own
    argv = [
        # What it mounts goes with it.
        *("unshare", "--mount", "--propagation", "private"),
        *("dockerd", "-H", f"unix://{folder}/d.sock", "--data-root", f"{folder}/data"),
        *("--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid", "--bridge", "none"),
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false"),
        *("--config-file", f"{folder}/config", "--log-level", "error"),
    ]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(argv, stdout=log, stderr=log) as process,
    ):
        try:
            client = _answering(process, f"unix://{folder}/d.sock", folder / "log")
            try:
                yield client
            finally:
                client.close()
        finally:
            process.terminate()
            process.wait(60)


def _answering(process: subprocess.Popen[bytes], url: str, log: Path) -> docker.DockerClient:
    for _ in range(300):
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            try:
                return docker.DockerClient(base_url=url, timeout=300)
            except (DockerException, requests.RequestException, OSError):
                continue
        break
    raise AssertionError(f"dockerd does not run:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.mark.skipif(os.geteuid() != 0, reason="a dockerd of one's own needs root")
@pytest.mark.skipif(shutil.which("dockerd") is None, reason="dockerd is not installed")
@pytest.mark.skipif(_has_ip_vs(), reason="this kernel has ip_vs")
def test_a_docker_engine_without_ip_vs_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # A short path: containerd has sockets deep below.
    with tempfile.TemporaryDirectory(prefix="lvslab-d-") as folder, native(Path(folder)) as client:
        base = tmp_path / "base.tar"
        images.make_base_tar("trixie", base, Silent())
        images.import_base(client, "trixie", base)
        images.ensure_node_image(client, "trixie", Silent(), network_mode="host")
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/d.sock")

        found = cli("--engine", "docker", "doctor", "--json", check=False)
        assert found.returncode == 4
        report = json.loads(found.stdout)
        assert report["takes"] is None
        (check,) = [c for c in report["checks"]["docker"] if c["name"] == "ip_vs"]
        assert check["status"] == "fail"
        assert "no ip_vs" in check["result"]
        assert "modprobe -a ip_vs ip_vs_rr" in check["fix"]

        small = write(tmp_path, "small", "172.31")
        done = cli("--engine", "docker", "up", small, check=False)
        assert done.returncode == 4
        assert "cannot do IPVS" in done.stderr
        assert "modprobe -a ip_vs ip_vs_rr" in done.stderr

        # auto says why not, and takes the embedded one.
        auto = shown(cli, "doctor")
        assert auto["takes"] == "embedded"
        assert "no ip_vs" in auto["refused"]["docker"]
        taken = shown(cli, "up", "lvs-dr", "--lab", "dr")
        assert taken["engine"] == "embedded"
        assert "cannot do IPVS" in taken["refused"]
        assert client.containers.list(all=True) == []
        cli("teardown", "dr")


# -- embedded engines -----------------------------------------------------------------------


def test_two_labs_of_one_topology_on_embedded_engines(cli: Cli, tmp_path: Path):
    file = write(tmp_path, "twin", "172.31")
    for lab in ("twin-a", "twin-b"):
        cli("--engine", "embedded", "--lab", lab, "up", file)
    for lab in ("twin-a", "twin-b"):
        assert shown(cli, "--lab", lab, "curl", "-n", "4")["served_by"] == {"rs1": 2, "rs2": 2}
    cli("--lab", "twin-a", "fail", "rs1", "power-off", "--no-watch")
    assert cli("--lab", "twin-a", "status", check=False).returncode == 1
    assert shown(cli, "--lab", "twin-b", "status")["healthy"] is True
    cli("teardown", "twin-a")
    assert shown(cli, "--lab", "twin-b", "status")["healthy"] is True
    cli("teardown", "twin-b")
