import io
import tarfile
import threading
from typing import Any

import pytest

from lvslab.errors import ConflictError, EngineError, LabError
from lvslab.lab.api import asking, in_parallel
from lvslab.lab.make import tar_of
from lvslab.plan.model import FilePlan


def _content(tar, member):
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def test_tar_has_the_files_with_mode_and_content():
    files = [FilePlan("/etc/a", b"one"), FilePlan("/opt/x/run", b"two\0", 0o755)]
    with tarfile.open(fileobj=io.BytesIO(tar_of(files))) as tar:
        found = {m.name: (m.mode, m.uid, _content(tar, m)) for m in tar.getmembers()}
    assert found == {"etc/a": (0o644, 0, b"one"), "opt/x/run": (0o755, 0, b"two\0")}
    assert tar_of(files) == tar_of(files)


def test_in_parallel_keeps_the_order_and_is_parallel():
    barrier = threading.Barrier(3, timeout=10)

    def do(item):
        barrier.wait()  # breaks unless all three are under way at once
        return item * 2

    assert in_parallel([3, 1, 2], do) == [6, 2, 4]
    assert in_parallel([], do) == []


def test_the_first_failure_is_raised_after_all_others_ended():
    ended = []
    begun = threading.Barrier(3, timeout=10)

    def do(item):
        begun.wait()
        if item == "good":
            ended.append(item)
            return
        raise LabError(item)

    with pytest.raises(LabError, match="bad1") as caught:
        in_parallel(["good", "bad1", "bad2"], do)
    assert ended == ["good"]
    assert caught.value.__notes__ == ["also: bad2"]


class Recorded:
    """An API that only writes down how a container is made."""

    def __init__(self, api_version):
        self.api_version = api_version
        self.made = {}
        self.connected = []

    def create_endpoint_config(self, **config):
        return {k: v for k, v in config.items() if v is not None}

    def create_host_config(self, **config):
        return config

    def create_container(self, image, command, **config):
        self.made = config
        return {"Id": "x"}

    def connect_container_to_network(self, container, network, **config):
        self.connected.append((network, {k: v for k, v in config.items() if v is not None}))


def made_of(name, node, api_version):
    from types import SimpleNamespace

    from lvslab import topology
    from lvslab.lab.make import make_container
    from lvslab.plan import make_plan

    spec = topology.load(topology.builtins()[name])
    plan = make_plan(spec, "x", agent_files=())
    api = Recorded(api_version)
    client: Any = SimpleNamespace(api=api)
    make_container(client, plan.node(node), "image")
    return api


@pytest.mark.parametrize("version", ["1.45", "1.48", "1.51"])
def test_a_director_of_nat_is_in_the_second_network_before_it_starts(version):
    api = made_of("lvs-nat", "lvs1", version)
    first = api.made["networking_config"]["EndpointsConfig"]["lvslab-x-lvs_nat"]
    ((network, second),) = api.connected
    assert api.made["host_config"]["network_mode"] == "lvslab-x-lvs_nat"
    assert network == "lvslab-x-lvs_nat-inside"
    assert (first["ipv4_address"], second["ipv4_address"]) == ("172.23.1.1", "10.23.0.1")
    # What an engine of before would not understand is not said to it.
    told = [c.get("driver_opt", {}).get("com.docker.network.endpoint.ifname")
            for c in (first, second)]  # fmt: skip
    assert told == ([None, None] if version == "1.45" else ["eth0", "eth1"])


def test_a_node_in_one_network_is_made_as_ever():
    for version in ("1.41", "1.51"):
        api = made_of("lvs-dr", "lvs1", version)
        (endpoint,) = api.made["networking_config"]["EndpointsConfig"].values()
        assert endpoint == {"ipv4_address": "172.20.1.1"}
        assert api.connected == []


def _api_error(text):
    from docker.errors import APIError

    return APIError("500 Server Error", explanation=text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pool overlaps with other one on this address space", ConflictError),
        ('Conflict. The container name "/x" is already in use by container', ConflictError),
        ("no space left on device", LabError),
    ],
)
def test_refusals_in_words(text, kind):
    with pytest.raises(LabError, match="creating x") as caught, asking("creating x"):
        raise _api_error(text)
    assert type(caught.value) is kind


def test_an_engine_that_is_gone():
    import requests

    with pytest.raises(EngineError, match="does not answer"), asking("creating x"):
        raise requests.ConnectionError("gone")
