"""Each fault is injected on a real engine by some test; whether, needs no engine to be known."""

from __future__ import annotations

from pathlib import Path

from lvslab.faults import registry

INTEGRATION = Path(__file__).resolve().parents[2] / "integration"


def test_every_fault_there_is_has_its_test_on_an_engine() -> None:
    parts = [*INTEGRATION.glob("test_faults*.py")]
    parts += [INTEGRATION / f"test_{name}.py" for name in ("udp", "forwarding")]
    text = "".join(part.read_text() for part in parts)
    assert {name for name in registry.all_faults() if f'"{name}"' not in text} == set()
