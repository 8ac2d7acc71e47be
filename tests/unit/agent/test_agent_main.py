from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lvslab

PACKAGE = Path(lvslab.__file__).parent


@pytest.mark.parametrize("content", [None, "{", "{}", "[]"])
def test_a_node_without_a_usable_description_says_so(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "node.json"
    if content is not None:
        path.write_text(content)
    environment = {"PYTHONPATH": str(PACKAGE), "LVSLAB_NODE_FILE": str(path)}
    done = subprocess.run(
        [sys.executable, "-m", "agent"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"lvslab agent: {path}: ")
    assert "Traceback" not in done.stderr


def test_the_agent_needs_only_the_standard_library() -> None:
    # -I -S: no site-packages, nothing of lvslab; just the package as it is in a node.
    code = f"import sys; sys.path.insert(0, {str(PACKAGE)!r}); import agent.__main__"
    heavy = "asyncio dataclasses pathlib subprocess threading typing"
    check = f"; print(*[m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code + check],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
