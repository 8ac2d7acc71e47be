from __future__ import annotations

import pytest

from lvslab.observe import recorder

from ..faults.simulated import Inline


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs beside in virtual time."""
    monkeypatch.setattr(recorder, "ThreadPoolExecutor", Inline)
