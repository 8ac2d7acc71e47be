"""The image that every node runs: made from ``dockerfiles/node`` alone, on any engine.

Its tag contains a digest of that folder, so an edited Dockerfile is a new image and an old
one is never taken for it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from lvslab import labels
from lvslab.engine.embedded.mmdebstrap import Mmdebstrap, host_sources
from lvslab.errors import EngineError
from lvslab.progress import Progress, Step
from lvslab.resources import data_dir

if TYPE_CHECKING:
    import docker

REPOSITORY = "lvslab-node"


def node_image_ref(debian: str) -> str:
    """Return the node image's name: ``lvslab-node:<debian>-<digest of dockerfiles/node>``."""
    folder = data_dir("dockerfiles") / "node"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{REPOSITORY}:{debian}-{digest.hexdigest()[:12]}"


def base_image_ref(debian: str) -> str:
    """Return the name of the image that the node image is built from."""
    return f"debian:{debian}-slim"


def has_image(client: docker.DockerClient, ref: str) -> bool:
    """Say whether the engine has an image. Raises EngineError when it does not answer."""
    try:
        client.images.get(ref)
    except ImageNotFound:
        return False
    except (DockerException, RequestException) as error:
        raise EngineError(
            f"the engine did not say whether it has {ref}: {error}", fix="lvslab doctor"
        ) from error
    return True


def ensure_node_image(
    client: docker.DockerClient,
    debian: str,
    progress: Progress,
    *,
    network_mode: Literal["host"] | None = None,
) -> str:
    """Return the node image's name, after building it (10-60 s) when the engine lacks it.

    ``network_mode`` is that of the build: "host" on an engine without a bridge. Raises
    EngineError.
    """
    ref = node_image_ref(debian)
    if has_image(client, ref):
        return ref
    _ensure_base(client, debian, progress)
    with progress.step(f"building {ref}") as step:
        _build(client, debian, ref, network_mode, step)
    return ref


def make_base_tar(debian: str, dest: Path, progress: Progress) -> None:
    """Make a minimal Debian root as a tar archive at ``dest``, by mmdebstrap (15-60 s).

    Works as root and, in a user namespace, as an ordinary user. Raises EngineError.
    """
    # A mirror by https is of no use to a root that trusts no certificate. (apt is in every
    # minbase: it is named because mmdebstrap refuses an empty list.)
    https = any("https://" in line for line in host_sources(debian))
    packages = ("apt", "ca-certificates") if https else ("apt",)
    with (
        progress.step(f"making {base_image_ref(debian)} from Debian packages"),
        tempfile.TemporaryDirectory(prefix="lvslab-base-") as folder,
    ):
        Mmdebstrap(debian).install(packages, dest, Path(folder) / "log", variant="minbase")


def import_base(client: docker.DockerClient, debian: str, tar: Path) -> None:
    """Give the engine a root made by :func:`make_base_tar`, named as the image it stands for.

    Raises EngineError.
    """
    ref = base_image_ref(debian)
    repository, _, tag = ref.partition(":")
    try:
        answer = client.api.import_image_from_file(str(tar), repository=repository, tag=tag)
    except (DockerException, RequestException, OSError) as error:
        raise EngineError(
            f"{ref} could not be imported: {error}", fix="check the engine's free disk space"
        ) from error
    # The engine reports a failed import inside an answer of status 200.
    if not has_image(client, ref):
        raise EngineError(
            f"{ref} could not be imported: {str(answer).strip()}",
            fix="check the engine's free disk space",
        )


def _ensure_base(client: docker.DockerClient, debian: str, progress: Progress) -> None:
    ref = base_image_ref(debian)
    if has_image(client, ref):
        return
    repository, _, tag = ref.partition(":")
    refused = ""
    try:
        with progress.step(f"pulling {ref}"):
            client.images.pull(repository, tag=tag)
    except (DockerException, RequestException) as error:
        refused = _explanation(error)
    else:
        return
    if shutil.which("mmdebstrap") is None:
        raise EngineError(
            f"{ref} cannot be pulled ({refused}), and mmdebstrap, which can make it from Debian "
            "packages, is not installed",
            fix=f"apt-get install mmdebstrap (as root), or get the image: docker pull {ref}",
        )
    with tempfile.TemporaryDirectory(prefix="lvslab-base-") as folder:
        tar = Path(folder) / "base.tar"
        make_base_tar(debian, tar, progress)
        with progress.step(f"importing {ref}"):
            import_base(client, debian, tar)


def _build(
    client: docker.DockerClient, debian: str, ref: str, network_mode: str | None, step: Step
) -> None:
    last: list[str] = []
    try:
        stream = client.api.build(
            path=str(data_dir("dockerfiles") / "node"),
            tag=ref,
            rm=True,
            forcerm=True,
            decode=True,
            network_mode=network_mode,
            buildargs={"DEBIAN": debian, **_apt_proxy(network_mode)},
            labels={labels.IMAGE: "node"},
            use_config_proxy=True,
        )
        for line in _lines(stream):
            last = [*last[-11:], line]
            step.note(line)
    except (DockerException, RequestException) as error:
        raise EngineError(
            f"{ref} could not be built: {_explanation(error)}", fix="lvslab doctor"
        ) from error
    if not has_image(client, ref):
        tail = "\n    ".join(last)
        raise EngineError(
            f"{ref} could not be built; the build's last lines:\n    {tail}",
            fix="check that Debian's packages can be reached from the engine, and its disk space",
        )


def _lines(stream: Iterator[dict[str, Any]]) -> Iterator[str]:
    for part in stream:
        for line in str(part.get("error") or part.get("stream") or "").splitlines():
            if line.strip():
                yield line.strip()


def _apt_proxy(network_mode: str | None) -> dict[str, str]:
    """Return the host's apt proxy as build arguments, where the build has the host's network.

    Docker knows ``http_proxy`` as a predefined argument: it is not kept in the image.
    """
    program = shutil.which("apt-config")
    if network_mode != "host" or program is None:
        return {}
    shown = subprocess.run(
        [program, "--format=%f=%v%n", "dump", "Acquire::http::Proxy"],
        capture_output=True,
        text=True,
        check=False,
    )
    name, _, value = shown.stdout.partition("\n")[0].partition("=")
    found = name == "Acquire::http::Proxy" and value and value != "DIRECT"
    return {"http_proxy": value} if found else {}


def _explanation(error: Exception) -> str:
    text = error.explanation if isinstance(error, APIError) and error.explanation else str(error)
    return " ".join(str(text).split())
