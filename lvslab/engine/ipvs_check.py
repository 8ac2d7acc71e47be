"""Whether an engine's kernel can do IPVS: tried in a throw-away container, never guessed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from lvslab import labels
from lvslab.engine.throwaway import throw_away
from lvslab.errors import EngineError

if TYPE_CHECKING:
    import docker

_SERVICE = "127.0.0.1:9"
_SCRIPT = f"""
ipvsadm -A -t {_SERVICE} -s rr && ipvsadm -a -t {_SERVICE} -r 127.0.0.2:9 -g && ipvsadm -Ln
echo "exit $?"
"""
# The end of every tunnel that the kernel makes by itself is in the way of another like it.
_TUNNEL_SCRIPT = """
ip link show tunl0 >/dev/null 2>&1 || ip link add tunl0 type ipip
ip link set tunl0 up
echo "exit $?"
"""
#: What ``ipvsadm -Ln`` shows of a real server reached by direct routing.
_PROOF = ("127.0.0.2:9", "Route")

#: Seconds. A trial makes a few requests, each of which may take two minutes (docker_engine); one
#: that is older belongs to an lvslab that was killed.
LEFTOVER_AFTER = 600

LOAD_MODULES = (
    "as root on the machine of the Docker engine: "
    "modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh; to keep it so: "
    "printf '%s\\n' ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh "
    ">/etc/modules-load.d/lvslab.conf"
)


@dataclass(frozen=True, slots=True)
class IpvsResult:
    """What came of the try: ``detail`` is what was seen, ``fix`` what to do when not ``ok``."""

    ok: bool
    detail: str
    fix: str | None = None


def probe_ipvs(client: docker.DockerClient, *, leftover_after: int = LEFTOVER_AFTER) -> IpvsResult:
    """Add a virtual server and a DR real server in a container with NET_ADMIN and no network.

    The engine must have a node image (lvslab.engine.images). Containers of other trials that are
    older by ``leftover_after`` seconds are removed. Raises EngineError when the engine does not
    answer.
    """
    return _tried(
        client,
        "ipvs",
        _SCRIPT,
        judge,
        "the engine must allow the capability NET_ADMIN (a rootless or restricted one may not)",
        made=lambda own: _sweep(client, own, leftover_after),
    )


def probe_tunnels(client: docker.DockerClient) -> IpvsResult:
    """Make an IPIP tunnel in a container with NET_ADMIN and no network; forwarding TUN needs one.

    Asking for one has the kernel load the module. Raises EngineError when the engine does not
    answer.
    """
    fix = "lvslab doctor's other lines may say why"
    return _tried(client, "ipip", _TUNNEL_SCRIPT, judge_tunnels, fix)


def _tried(
    client: docker.DockerClient,
    what: str,
    script: str,
    judged: Callable[[str], IpvsResult],
    fix: str,
    made: Callable[[str], object] = lambda _own: None,
) -> IpvsResult:
    """Run a script in a container with NET_ADMIN and no network; ``fix``: if it does not start."""
    try:
        image = node_image(client)
        if image is None:
            return IpvsResult(
                False, "not tried: the engine has no node image yet", "lvslab up builds it"
            )
        said = throw_away(
            client,
            image,
            ["sh", "-c", script],
            what=what,
            made=made,
            cap_add=["NET_ADMIN"],
            network_mode="none",
        )
    except APIError as error:
        return IpvsResult(
            False,
            f"the container that would try it did not start: {error.explanation or error}",
            fix,
        )
    except (DockerException, RequestException) as error:
        raise EngineError(f"the engine does not answer: {error}", fix="lvslab doctor") from error
    return judged(said)


def judge_tunnels(output: str) -> IpvsResult:
    """Tell from what ``ip link`` printed whether there can be a tunnel."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if lines and lines[-1] == "exit 0":
        return IpvsResult(True, "an IPIP tunnel can be made: forwarding TUN works")
    said = "; ".join(lines[:2]) or "ip printed nothing"
    return IpvsResult(
        False,
        f"no IPIP tunnel ({said}): labs with forwarding TUN do not come up",
        "as root on the machine of the Docker engine: modprobe ipip",
    )


def judge(output: str) -> IpvsResult:
    """Tell from what ipvsadm printed whether it worked and, if not, what is missing."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    proven = any(all(word in line for word in _PROOF) for line in lines)
    if lines and lines[-1] == "exit 0" and proven:
        return IpvsResult(True, "a virtual server with a DR real server was added and listed")
    said = "; ".join(lines[:3]) or "ipvsadm printed nothing"
    text = output.lower()
    if "protocol not available" in text or "is built in the kernel" in text:
        return IpvsResult(False, f"the kernel has no ip_vs ({lines[0]})", LOAD_MODULES)
    if "permission denied" in text or "operation not permitted" in text:
        return IpvsResult(
            False,
            f"NET_ADMIN in a container is not enough here ({said})",
            "a rootless engine cannot do this: use a Docker engine that runs as root",
        )
    if "no such file" in text or "not found" in text or "service not defined" in text:
        return IpvsResult(
            False, f"ip_vs is there, its scheduler rr or DR is not ({said})", LOAD_MODULES
        )
    return IpvsResult(False, said, LOAD_MODULES)


def node_image(client: docker.DockerClient) -> str | None:
    """Return the id of the node image that an engine has; None where it has none."""
    found = client.api.images(filters={"label": f"{labels.IMAGE}=node"})
    return str(found[0]["Id"]) if found else None


def _sweep(client: docker.DockerClient, own: str, leftover_after: int) -> None:
    """Remove the containers of trials that were killed before they were started.

    Their age is that against our own container, by the engine's clock, which need not be ours.
    Another trial that is under way is younger, and left alone.
    """
    found = client.api.containers(all=True, filters={"label": labels.CHECK})
    created = {str(one["Id"]): int(one["Created"]) for one in found}
    for one, when in created.items():
        if one != own and when <= created[own] - leftover_after:
            # Another sweeps it, too: gone, or just going (409).
            with contextlib.suppress(APIError):
                client.api.remove_container(one, force=True)
