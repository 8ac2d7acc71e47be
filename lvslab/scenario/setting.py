"""What a run of a scenario finds: a lab that is proven ready, and what it is made with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lvslab import __version__
from lvslab.lab.ready import wait_ready
from lvslab.observe.healing import heal

if TYPE_CHECKING:
    from lvslab.lab import Lab
    from lvslab.progress import Progress

#: Seconds that a lab is given to become ready again after what was done to it before.
READY_TIMEOUT = 90.0


def make_ready(lab: Lab, *, progress: Progress, timeout: float = READY_TIMEOUT) -> None:
    """Heal what was left in a lab and prove it ready; ``timeout`` in seconds.

    Raises AgentError for what cannot be healed, NotReadyError.
    """
    heal(lab)
    wait_ready(lab, timeout=timeout, progress=progress)


def made_with(lab: Lab) -> dict[str, str]:
    """Return what a run is made with, for its history. Raises EngineError."""
    info = lab.engine.info()
    return {
        "lvslab": __version__,
        "engine": info.name,
        "kernel": info.kernel,
        "debian": lab.spec.debian,
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
