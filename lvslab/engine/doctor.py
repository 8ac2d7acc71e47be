"""What can be wrong with a Docker engine, checked one by one, as data."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docker.errors import DockerException
from requests.exceptions import RequestException

from lvslab.engine.docker_engine import DockerEngine
from lvslab.engine.images import ensure_node_image
from lvslab.engine.ipvs_check import probe_ipvs, probe_tunnels
from lvslab.errors import EngineError
from lvslab.progress import Progress

Status = Literal["ok", "warn", "fail", "skip"]

#: Bytes free that an engine needs for the base, the node image and a lab; and that let it
#: last for a while.
DISK_NEEDED, DISK_AMPLE = 1 << 30, 3 << 30
#: Bytes of memory: a node takes some 30 MB.
MEMORY_NEEDED, MEMORY_AMPLE = 256 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: what came out and, unless it is ``ok``, what to do."""

    name: str
    status: Status
    result: str
    fix: str | None = None


def usable(checks: list[Check]) -> bool:
    """Whether nothing failed."""
    return all(check.status != "fail" for check in checks)


def docker_checks(
    progress: Progress,
    *,
    debian: str = "trixie",
    connect: Callable[[], DockerEngine] = DockerEngine.connect,
) -> list[Check]:
    """Check the Docker engine that the environment names; builds the node image if need be.

    Never raises for an engine that cannot be used: that is what it reports.
    """
    try:
        engine = connect()
    except EngineError as error:
        return [
            Check("docker", "fail", str(error.where or "") + ": " + error.what, error.fix),
            *_skipped("ip_vs", "ipip", "cgroup", "bridge filter", "disk", "memory"),
        ]
    try:
        info = engine.client.info()
        return [
            Check(
                "docker",
                "ok",
                f"Docker {info.get('ServerVersion')}, API {engine.client.api.api_version}, at "
                f"{engine.endpoint.url} ({engine.endpoint.source})",
            ),
            _ipvs(engine, debian, progress),
            _tunnels(engine),
            cgroup(info),
            bridge_filter(info),
            _disk(engine, info),
            memory(info),
        ]
    except (DockerException, RequestException) as error:
        return [Check("docker", "fail", f"it does not answer: {error}", "docker version")]
    finally:
        engine.close()


def cgroup(info: Mapping[str, Any]) -> Check:
    """Judge the cgroup version."""
    version = str(info.get("CgroupVersion", "1"))
    if version == "2":
        return Check("cgroup", "ok", f"version 2, driver {info.get('CgroupDriver')}")
    return Check(
        "cgroup",
        "warn",
        f"version {version}: it works, and the next Docker releases drop it",
        "boot with systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
    )


def bridge_filter(info: Mapping[str, Any]) -> Check:
    """Tell whether the engine's firewall sees what the nodes say to each other.

    It is Docker's default, and Docker's own rules let it pass; another firewall with FORWARD
    DROP keeps VRRP from passing, and both directors become MASTER.
    """
    if not info.get("BridgeNfIptables"):
        return Check("bridge filter", "ok", "off: packets between nodes pass no firewall")
    return Check(
        "bridge filter",
        "ok",
        "on: packets between nodes pass the engine's firewall, where Docker's rules let them "
        "through",
        "should both directors become MASTER, a firewall drops VRRP: as root, "
        "sysctl -w net.bridge.bridge-nf-call-iptables=0",
    )


def disk(free: int, path: str) -> Check:
    """Judge the free disk space, in bytes."""
    shown = f"{free / (1 << 30):.1f} GiB free in {path}"
    if free >= DISK_AMPLE:
        return Check("disk", "ok", shown)
    status: Status = "warn" if free >= DISK_NEEDED else "fail"
    return Check("disk", status, shown, "docker system prune removes what nothing uses")


def memory(info: Mapping[str, Any]) -> Check:
    """Judge the engine's memory."""
    total = int(info.get("MemTotal", 0))
    if not total:
        return Check("memory", "skip", "the engine does not say how much it has")
    shown = f"{total / (1 << 30):.1f} GiB"
    if total >= MEMORY_AMPLE:
        return Check("memory", "ok", shown)
    status: Status = "warn" if total >= MEMORY_NEEDED else "fail"
    return Check("memory", status, shown, "give the engine's machine 1 GiB or more")


def _ipvs(engine: DockerEngine, debian: str, progress: Progress) -> Check:
    try:
        ensure_node_image(engine.client, debian, progress)
        with progress.step("trying IPVS on the Docker engine"):
            result = probe_ipvs(engine.client)
    except EngineError as error:
        return Check("ip_vs", "fail", f"not tried: {error.what}", error.fix)
    return Check("ip_vs", "ok" if result.ok else "fail", result.detail, result.fix)


def _tunnels(engine: DockerEngine) -> Check:
    """Try a tunnel: one kind of lab in three needs it, so that it is no failure of the engine."""
    try:
        result = probe_tunnels(engine.client)
    except EngineError as error:
        return Check("ipip", "warn", f"not tried: {error.what}", error.fix)
    return Check("ipip", "ok" if result.ok else "warn", result.detail, result.fix)


def _disk(engine: DockerEngine, info: Mapping[str, Any]) -> Check:
    root = Path(str(info.get("DockerRootDir", "")))
    local = engine.endpoint.url.startswith("unix://")
    with contextlib.suppress(OSError):
        if local and root.is_absolute():
            return disk(shutil.disk_usage(root).free, str(root))
    return Check("disk", "skip", "the engine's disk is not visible from here")


def _skipped(*names: str) -> list[Check]:
    return [Check(name, "skip", "no Docker engine to check") for name in names]
