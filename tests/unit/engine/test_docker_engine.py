import pytest
import requests
from docker.errors import DockerException

from lvslab.engine import doctor, images
from lvslab.engine.docker_engine import DockerEngine, Endpoint, classify, find_endpoint
from lvslab.engine.ipvs_check import judge, judge_tunnels
from lvslab.errors import EngineError
from lvslab.progress import Silent

HERE = Endpoint("unix:///run/x.sock", "DOCKER_HOST")


def hidden(cause):
    """As docker-py reports it: the cause two levels down, in the arguments."""
    return DockerException(requests.ConnectionError("Connection aborted.", cause))


@pytest.mark.parametrize(
    ("cause", "exists", "what", "fix"),
    [
        (PermissionError(13, "x"), True, "permission denied", "group docker"),
        (FileNotFoundError(2, "x"), False, "its socket does not exist", "docker.io"),
        (ConnectionRefusedError(111, "x"), True, "is down", "systemctl start docker"),
        (OSError(5, "strange"), True, "strange", "docker version"),
    ],
)
def test_why_an_engine_does_not_answer(cause, exists, what, fix):
    error = classify(hidden(cause), HERE, exists=lambda path: exists)
    assert what in error.what
    assert fix in (error.fix or "")
    assert error.where == "unix:///run/x.sock (DOCKER_HOST)"


def test_docker_host_wins(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    monkeypatch.setenv("DOCKER_CONTEXT", "other")
    assert find_endpoint() == Endpoint("tcp://10.0.0.1:2375", "DOCKER_HOST")


def test_a_context_that_does_not_exist(monkeypatch, tmp_path):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "nowhere")
    with pytest.raises(EngineError, match="nowhere"):
        find_endpoint()


def test_no_engine_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError, match="its socket does not exist"):
        DockerEngine.connect()


def test_ssh_is_refused_with_a_way_out(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "ssh://host")
    with pytest.raises(EngineError, match="ssh://") as caught:
        DockerEngine.connect()
    assert "ssh -nNT -L" in (caught.value.fix or "")


LISTED = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  127.0.0.1:9 rr
  -> 127.0.0.2:9                  Route   1      0          0
exit 0
"""


def test_ipvs_proven():
    assert judge(LISTED).ok


def test_a_tunnel_that_can_be_made_and_one_that_cannot():
    assert judge_tunnels("exit 0\n").ok
    unknown = 'Error: Unknown device type.\nCannot find device "tunl0"\nexit 1\n'
    result = judge_tunnels(unknown)
    assert (result.ok, "Unknown device type" in result.detail) == (False, True)
    assert "modprobe ipip" in (result.fix or "")
    assert not judge_tunnels("").ok


def test_the_embedded_engines_kernel_loads_what_every_forwarding_method_needs():
    from lvslab.engine.embedded.disk import material
    from lvslab.engine.embedded.guestroot import FILES

    modules = (FILES / "modules").read_text().split()
    assert {"ip_vs", "ipip"} <= set(modules)
    # A disk that was built without it is another, and so is every state that was saved on it.
    assert "modules" in material("trixie")["guest"]


def test_ipvs_claimed_but_not_listed():
    assert not judge("exit 0").ok


@pytest.mark.parametrize(
    ("output", "detail", "fix"),
    [
        (
            "Can't initialize ipvs: Protocol not available\n"
            "Are you sure that IP Virtual Server is built in the kernel or as module?\nexit 255\n",
            "the kernel has no ip_vs",
            "modprobe -a ip_vs",
        ),
        ("Can't initialize ipvs: Permission denied (you must be root)\nexit 255", "NET_ADMIN",
         "rootless"),
        ("No such file or directory\nexit 2", "its scheduler rr or DR is not", "ip_vs_rr"),
        ("", "ipvsadm printed nothing", "modprobe"),
    ],
)  # fmt: skip
def test_ipvs_missing(output, detail, fix):
    result = judge(output)
    assert not result.ok
    assert detail in result.detail
    assert fix in (result.fix or "")


def test_the_image_is_named_by_its_dockerfile(tmp_path, monkeypatch):
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / "Dockerfile").write_text("FROM x\n")
    monkeypatch.setattr(images, "data_dir", lambda name: tmp_path)
    first = images.node_image_ref("trixie")
    assert first.startswith("lvslab-node:trixie-")
    assert images.node_image_ref("bookworm").rpartition("-")[2] == first.rpartition("-")[2]
    assert images.node_image_ref("trixie") == first
    (tmp_path / "node" / "Dockerfile").write_text("FROM y\n")
    changed = images.node_image_ref("trixie")
    assert changed != first
    (tmp_path / "node" / "Dockerfile").rename(tmp_path / "node" / "Other")
    assert images.node_image_ref("trixie") not in (first, changed)


def test_doctor_without_engine_says_why_and_skips_the_rest():
    def refuse():
        raise EngineError("permission denied", where="unix:///x", fix="join the group")

    first, *rest = doctor.docker_checks(Silent(), connect=refuse)
    assert (first.status, first.fix) == ("fail", "join the group")
    assert {c.status for c in rest} == {"skip"}
    assert not doctor.usable([first])
    assert doctor.usable(rest)


@pytest.mark.parametrize(
    ("free", "status"), [(500 << 20, "fail"), (2 << 30, "warn"), (10 << 30, "ok")]
)
def test_disk(free, status):
    assert doctor.disk(free, "/x").status == status


def test_memory_and_cgroup():
    assert doctor.memory({"MemTotal": 128 << 20}).status == "fail"
    assert doctor.memory({"MemTotal": 512 << 20}).status == "warn"
    assert doctor.memory({"MemTotal": 8 << 30}).status == "ok"
    assert doctor.memory({}).status == "skip"
    assert doctor.cgroup({"CgroupVersion": "2"}).status == "ok"
    assert doctor.cgroup({}).status == "warn"
