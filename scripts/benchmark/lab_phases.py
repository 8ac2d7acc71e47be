"""What a user waits for: up, teardown, demo; and the tests, for who works on lvslab."""

from __future__ import annotations

import sys
from typing import Any

from benchmark.harness import LAB, ROOT, TOPOLOGY, Bench

_DOWN: dict[str, Any] = {"what": "lvslab teardown", "target": 1.0}


def first(b: Bench) -> None:
    """Bring the lab up as a user does, on a built engine without saved states."""
    for _ in range(b.runs):
        b.forget_states()
        first = b.lvslab("up", TOPOLOGY, "--lab", LAB)
        b.add("first up", first, what="first lvslab up on a built engine, no state", target=60.0)
        b.add("rss lab booted", b.memory(), what="memory of QEMU, lab, booted", unit="MiB")
        b.add("teardown", b.lvslab("teardown", LAB), **_DOWN)


def restored(b: Bench) -> None:
    """Bring a lab up as a user does that was up before, and tear it down."""
    b.lvslab("up", TOPOLOGY, "--lab", LAB)
    b.lvslab("teardown", LAB)
    for _ in range(b.runs):
        again = b.lvslab("up", TOPOLOGY, "--lab", LAB)
        b.add("up", again, what="lvslab up, the lab restored to proven ready", target=5.0)
        b.add("rss lab", b.memory(), what="memory of QEMU, lab restored", unit="MiB")
        b.add("teardown", b.lvslab("teardown", LAB), **_DOWN)


def demo(b: Bench) -> None:
    """Run lvslab demo with everything cached; once, most of it is the protocol's waiting."""
    b.lvslab("up", TOPOLOGY, "--lab", "demo")
    b.lvslab("teardown", "demo")
    took = b.lvslab("demo", "--json")
    b.add("demo", took, what="lvslab demo, everything cached (once)", target=120.0)


def checks(b: Bench) -> None:
    """Run the unit tests, and lint, types and unit tests as make check does."""
    python = [sys.executable, "-m"]
    for _ in range(b.runs):
        unit = b.timed(*python, "pytest", "-q", "-n", "auto", "tests/unit", cwd=ROOT)
        b.add("unit tests", unit, what="unit tests", target=10.0)
    for _ in range(b.runs):
        took = b.timed("make", "--no-print-directory", "check", cwd=ROOT)
        b.add("make check", took, what="make check (lint, types, unit tests)", target=40.0)
