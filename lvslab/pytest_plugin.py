"""Fixtures for tests of a configuration of one's own; docs/python.md, "In pytest".

pytest loads this module wherever lvslab is installed, so nothing of the house is imported
before a test asks for a lab.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lvslab.errors import LvslabError

if TYPE_CHECKING:
    from lvslab.api import Lab, Topology
    from lvslab.api.testing import Labs
    from lvslab.progress import Progress

_LABS: pytest.StashKey[Labs] = pytest.StashKey()
_LEFT: pytest.StashKey[list[str]] = pytest.StashKey()
_MARKER = "lvslab_topology"
_HERE = "lvslab.yaml"
_SHIPPED = "lvs-dr"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("lvslab", "labs with LVS and keepalived (lvslab)")
    group.addoption(
        "--lvslab-engine",
        choices=("auto", "docker", "embedded"),
        help="where labs run (default: LVSLAB_ENGINE, or auto)",
    )
    group.addoption(
        "--lvslab-topology",
        metavar="TOPOLOGY",
        help=f"a file, or the name of one that ships (default: ./{_HERE}, or {_SHIPPED})",
    )
    group.addoption(
        "--lvslab-keep", action="store_true", help="leave labs up at the end, to be looked at"
    )
    group.addoption(
        "--lvslab-report",
        metavar="DIR",
        help="keep the history of every measurement there (default: of failed tests, below "
        "pytest's temporary folder)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(topology=None, changes=None): what the fixture 'lab' is made of in this test: "
        "a file or a name, and what is to be said differently in it",
    )


@pytest.fixture(scope="session")
def lvslab_topology(request: pytest.FixtureRequest) -> Topology:
    """What labs are made of; define a fixture of this name to say it in code."""
    from lvslab.api import Topology

    config = request.config
    folders = dict.fromkeys((config.invocation_params.dir, config.rootpath))
    files = [folder / _HERE for folder in folders if (folder / _HERE).exists()]
    wanted = config.getoption("--lvslab-topology") or next(iter(files), _SHIPPED)
    with _in_words():
        return Topology.load(wanted)


@pytest.fixture(scope="session")
def lvslab_progress() -> Progress | None:
    """Who is told what is being done; define a fixture of this name to hear it."""
    return None


@pytest.fixture(scope="session")
def _lvslab_labs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    lvslab_progress: Progress | None,
) -> Iterator[Labs]:
    from lvslab.api.testing import Labs

    config = request.config
    report = config.getoption("--lvslab-report")
    folder = config.invocation_params.dir
    engine: Any = config.getoption("--lvslab-engine") or os.environ.get("LVSLAB_ENGINE") or "auto"
    labs = Labs(
        engine=engine,
        keep=config.getoption("--lvslab-keep"),
        report=lambda: folder / report if report else tmp_path_factory.getbasetemp() / "lvslab",
        save_all=bool(report),
        worker=os.environ.get("PYTEST_XDIST_WORKER", ""),
        progress=lvslab_progress,
    )
    config.stash[_LABS] = labs
    yield labs
    # Ctrl-C comes by here, too: pytest ends what fixtures began.
    with _in_words():
        config.stash[_LEFT] = labs.close()


@pytest.fixture
def lab(request: pytest.FixtureRequest, _lvslab_labs: Labs) -> Lab:
    """A lab as new, proven ready: restored for this test, or healed where that cannot be done."""
    topology = _topology_of(request)
    with _in_words():
        return _lvslab_labs.for_test(topology, both="lab_session" in request.fixturenames)


@pytest.fixture(scope="session")
def lab_session(lvslab_topology: Topology | str | Path, _lvslab_labs: Labs) -> Lab:
    """One lab for the whole run; it is healed and proven ready before each test with it."""
    from lvslab.api.topology import topology_of

    with _in_words():
        return _lvslab_labs.for_session(topology_of(lvslab_topology))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin anew with what the test will have measured."""
    labs = item.config.stash.get(_LABS, None)
    if labs is not None:
        with _in_words():
            labs.begin(wants_session="lab_session" in getattr(item, "fixturenames", ()))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Say what a failed test had measured, and where the histories are."""
    outcome: Any = yield
    labs = item.config.stash.get(_LABS, None)
    if labs is None or call.when != "call":
        return
    report: pytest.TestReport = outcome.get_result()
    told = labs.told(item.nodeid, failed=report.failed)
    if report.failed and told:
        report.sections.append(("lvslab", told))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which labs were left up."""
    for name in config.stash.get(_LEFT, []):
        terminalreporter.write_line(
            f"lvslab: lab {name} is left up: lvslab status --lab {name}, lvslab teardown {name}"
        )


def _topology_of(request: pytest.FixtureRequest) -> Topology:
    """Return what the marker says, over what the fixture does."""
    from lvslab.api.topology import topology_of

    marker = request.node.get_closest_marker(_MARKER)
    wanted, changes = None, None
    if marker is not None:
        try:
            wanted, changes = _marked(*marker.args, **marker.kwargs)
        except TypeError as error:
            pytest.fail(f"the marker {_MARKER}: {error}", pytrace=False)
    with _in_words():
        topology = topology_of(wanted or request.getfixturevalue("lvslab_topology"))
        return topology.changed(changes) if changes else topology


def _marked(
    topology: Topology | str | Path | None = None, changes: Mapping[str, Any] | None = None
) -> tuple[Topology | str | Path | None, Mapping[str, Any] | None]:
    """Give what may be said in the marker its names."""
    return topology, changes


@contextmanager
def _in_words() -> Iterator[None]:
    """Let what went wrong with a lab be said, and not where in lvslab it was noticed."""
    try:
        yield
    except LvslabError as error:
        pytest.fail(f"lvslab: {error}", pytrace=False)
