"""What is in the wheel: everything that a user without the checkout needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import lvslab

ROOT = Path(__file__).resolve().parents[2]


def run(*argv: str | Path, cwd: Path) -> str:
    """Run a command away from the checkout's Python path and return its stdout."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LVSLAB", "VIRTUAL"))
    }
    # The folders of this test run, not the user's.
    clean |= {k: os.environ[k] for k in ("LVSLAB_RUN_DIR",) if k in os.environ}
    done = subprocess.run(argv, cwd=cwd, env=clean, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(folder: str) -> list[str]:
    """Return the checkout's files below a folder, without what Python leaves there."""
    found = (
        p for p in (ROOT / folder).rglob("*") if p.is_file() and p.parent.name != "__pycache__"
    )
    names = [p.relative_to(ROOT).as_posix() for p in found]
    assert names
    return names


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with nothing but the wheel and what it asks for; its bin folder."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT, cwd=folder)
    (wheel,) = (folder / "dist").glob("lvslab-*.whl")
    venv.create(folder / "env", with_pip=True)
    binaries = folder / "env" / "bin"
    run(binaries / "pip", "install", "--quiet", wheel, cwd=folder)
    return binaries


def test_plan_works_from_any_folder(installed: Path, tmp_path: Path) -> None:
    plan = json.loads(run(installed / "lvslab", "plan", "--json", "--files", cwd=tmp_path))
    assert [n["name"] for n in plan["nodes"]] == ["lvs1", "lvs2", "rs1", "rs2", "client"]
    agent = {f["path"] for n in plan["nodes"] for f in n["files"] if "/agent/" in f["path"]}
    assert "/opt/lvslab/agent/__main__.py" in agent
    here = run(installed / "python", "-c", "import lvslab; print(lvslab.__file__)", cwd=tmp_path)
    assert not Path(here.strip()).is_relative_to(ROOT)


def test_all_data_that_ships_is_in_it(installed: Path, tmp_path: Path) -> None:
    program = (
        "from lvslab.resources import data_dir\n"
        "for name in ('topologies', 'scenarios', 'dockerfiles'):\n"
        "    root = data_dir(name)\n"
        "    for path in sorted(p for p in root.rglob('*') if p.is_file()):\n"
        "        print(name + '/' + path.relative_to(root).as_posix())\n"
    )
    there = run(installed / "python", "-c", program, cwd=tmp_path).split()
    shipped = [f for name in ("topologies", "scenarios", "dockerfiles") for f in files_of(name)]
    assert set(shipped) <= set(there)


def test_every_package_file_is_in_it(installed: Path, tmp_path: Path) -> None:
    program = "import lvslab, pathlib; print(pathlib.Path(lvslab.__file__).parent)"
    package = Path(run(installed / "python", "-c", program, cwd=tmp_path).strip())
    missing = [f for f in files_of("lvslab") if not (package.parent / f).is_file()]
    assert missing == []


def test_it_says_its_version(installed: Path, tmp_path: Path) -> None:
    said = run(installed / "lvslab", "--version", cwd=tmp_path)
    assert said == f"lvslab {lvslab.__version__}\n"


@pytest.mark.engine
def test_a_lab_comes_up_from_any_folder(built: None, installed: Path, tmp_path: Path) -> None:
    there: list[str | Path] = [installed / "lvslab", "--engine", "embedded"]
    try:
        up = json.loads(run(*there, "up", "--lab", "dr", "--json", cwd=tmp_path))
        assert (up["lab"], up["engine"]) == ("dr", "embedded")
        # What the checkout built and saved is this very version's: it is not built again.
        assert up["how"] in ("lab", "engine")
        answer = json.loads(run(*there, "curl", "-n", "4", "--json", cwd=tmp_path))
        assert answer["served_by"] == {"rs1": 2, "rs2": 2}
    finally:
        run(*there, "teardown", "dr", cwd=tmp_path)
