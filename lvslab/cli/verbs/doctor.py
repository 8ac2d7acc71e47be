"""``lvslab doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvslab.cli.session import EngineChoice, Session
from lvslab.cli.verb import MACHINE, verb

if TYPE_CHECKING:
    from lvslab.engine.doctor import Check

NO_ENGINE = 4
_MARK = {"ok": "ok", "warn": "warn", "fail": "FAIL", "skip": "-"}


@verb(panel=MACHINE, json=True, order=10)
def doctor(s: Session) -> int:
    """Check what the engines need here, with the fix; ends with 4 if none can be used."""
    taken = examine(s)
    s.out.next(*(("lvslab up", "lvslab demo") if taken else ("do what the fixes say",)))
    return 0 if taken else NO_ENGINE


def examine(s: Session) -> str | None:
    """Run every check, show it, and return the engine that would be taken, if any."""
    from lvslab.engine.doctor import docker_checks, usable
    from lvslab.engine.embedded.checks import embedded_checks

    checks: dict[str, list[Check]] = {}
    if s.choice is not EngineChoice.embedded:
        with s.progress.step("checking your Docker engine"):
            checks["docker"] = docker_checks(s.progress)
    if s.choice is not EngineChoice.docker:
        with s.progress.step("checking for the embedded engine"):
            checks["embedded"] = embedded_checks()
    taken = next((name for name, found in checks.items() if usable(found)), None)
    failed = {
        name: f"{c.name}: {c.result}"
        for name, found in checks.items()
        for c in reversed(found)
        if c.status == "fail"
    }
    s.out.data({"choice": s.choice, "takes": taken, "refused": failed, "checks": checks})
    for name, found in checks.items():
        rows = ((_MARK[c.status], c.name, c.result, c.fix) for c in found)
        s.out.table((name.upper(), "", "", "FIX"), rows)
        s.out.text()
    for name, why in failed.items():
        s.out.line(f"{name} cannot be used: {why}")
    s.out.line(
        f"--engine {s.choice} takes: {taken}" if taken else f"--engine {s.choice}: none can be used"
    )
    return taken
