"""The agent's source, as files for the nodes: the one thing a plan reads from disk."""

from __future__ import annotations

from importlib.resources import files

from lvslab.plan.model import AGENT_HOME, FilePlan


def agent_files() -> tuple[FilePlan, ...]:
    """Return ``lvslab/agent/*.py`` of this installation as files under AGENT_HOME, sorted."""
    package = files("lvslab").joinpath("agent")
    return tuple(
        FilePlan(f"{AGENT_HOME}/agent/{entry.name}", entry.read_bytes())
        for entry in sorted(package.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".py")
    )
