"""What lvslab adds to a given Docker engine: the same containers by the bare SDK beside it."""

from __future__ import annotations

import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.types import IPAMConfig, IPAMPool

from benchmark.figures import FailedError, Recorder
from benchmark.harness import DEBIAN, LAB, TOPOLOGY, Bench
from lvslab import topology
from lvslab.engine.base import Engine
from lvslab.engine.images import node_image_ref
from lvslab.lab import Lab, teardown, up
from lvslab.plan import agent_files, make_plan
from lvslab.plan.model import NodePlan, Plan


def overhead(b: Bench) -> None:
    """Compare up on a given Docker engine with the same containers made by the bare SDK."""
    started, _ = b.manager(Recorder()).start("plain", debian=DEBIAN)
    spec = topology.load(_topology(), name=LAB)
    plan = make_plan(spec, LAB, agent_files=agent_files())
    try:
        # One round of each is not counted: the emulator translates code that it first meets.
        _ours(started, plan, prove=False)
        _bare(started.client, plan)
        for _ in range(b.runs):
            bare = _bare(started.client, plan)
            ours, _ = _ours(started, plan, prove=False)
            whole, waited = _ours(started, plan, prove=True)
            b.add("bare sdk", bare, what="the same containers by the bare SDK, in parallel")
            b.add("up unproven", ours, what="up on a given engine, before the proof")
            b.add("overhead", ours / bare, what="  the one over the other", unit="x", target=1.3)
            b.add("up given", whole, what="up on a given engine, proven ready")
            b.add("vrrp", waited, what="  of it VRRP's own: keepalived started to MASTER")
    finally:
        started.close()
        b.stop_all()


def _topology() -> Path:
    path = topology.builtin(TOPOLOGY)
    assert path is not None
    return path


def _ours(engine: Engine, plan: Plan, *, prove: bool) -> tuple[float, float]:
    """Bring the lab up; returns seconds, and how long VRRP itself waited (engine's clock)."""
    began = time.monotonic()
    with up(engine, plan, progress=Recorder(), prove=prove) as made:
        took = time.monotonic() - began
        waited = _vrrp_wait(made) if prove else 0.0
    teardown(engine, plan.lab, progress=Recorder())
    return took, waited


def _vrrp_wait(made: Lab) -> float:
    """Return the time from a director's keepalived to its being MASTER, out of its own events."""
    for node in made.directors:
        log = node.container.logs(stdout=True, stderr=False).decode()
        events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        begun = [e["t"] for e in events if e.get("ev") == "service.started"]
        master = [
            e["t"] for e in events if e.get("ev") == "vrrp.state" and e.get("state") == "MASTER"
        ]
        if begun and master:
            return float(master[-1] - begun[0])
    raise FailedError("no director became MASTER, though the lab was proven ready")


def _bare(client: docker.DockerClient, plan: Plan) -> float:
    """Make the plan's network and containers by the SDK alone; returns seconds."""
    image = node_image_ref(DEBIAN)
    began = time.monotonic()
    (planned,) = plan.networks
    pool = IPAMPool(subnet=str(planned.subnet), gateway=str(planned.gateway))
    network = client.networks.create(
        planned.name, driver="bridge", ipam=IPAMConfig(pool_configs=[pool])
    )

    def make(node: NodePlan) -> str:
        api = client.api
        at = api.create_endpoint_config(ipv4_address=str(node.interfaces[0].address))
        made = api.create_container(
            image,
            list(node.command),
            name=node.container,
            hostname=node.hostname,
            stdin_open=True,
            networking_config={"EndpointsConfig": {planned.name: at}},
            host_config=api.create_host_config(
                network_mode=planned.name,
                init=True,
                cap_add=list(node.cap_add) or None,
                sysctls=dict(node.sysctls) or None,
            ),
        )
        api.put_archive(made["Id"], "/", _tar(node))
        api.start(made["Id"])
        return str(made["Id"])

    with ThreadPoolExecutor(max_workers=len(plan.nodes)) as pool_:
        ids = list(pool_.map(make, plan.nodes))
        took = time.monotonic() - began
        for _ in pool_.map(lambda i: client.api.remove_container(i, force=True), ids):
            pass
    network.remove()
    return took


def _tar(node: NodePlan) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in node.files:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.size, member.mode = len(file.content), file.mode
            tar.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()
