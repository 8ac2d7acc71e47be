"""A probe in a thread, and all that it tells."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

from lvslab.agent.probe import Probe
from lvslab.agent.proto import now


def told(
    targets: list[dict[str, Any]], count: int, kind: type[Probe] = Probe, **order: Any
) -> list[dict[str, Any]]:
    """Probe until ``count`` results were told; return all lines. ``order`` has its rate."""
    read_end, out = os.pipe()
    control, control_end = os.pipe()
    plan = {"probe": "p", "deadline": 5.0, "t0": now(), "targets": targets} | order
    thread = threading.Thread(target=kind("client", plan, out, control).run)
    thread.start()
    lines: list[dict[str, Any]] = []
    results = 0
    with os.fdopen(read_end, "rb") as stream:
        for raw in stream:
            lines.append(json.loads(raw))
            if lines[-1]["ev"] == "probe.result":
                results += 1
                if results == count:
                    os.close(control_end)
            if lines[-1]["ev"] == "probe.stopped":
                break
    thread.join()
    os.close(out)
    os.close(control)
    return lines
