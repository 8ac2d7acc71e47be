"""The plugin's own logic, with a lab that only writes down what is done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lvslab import Measured, Topology
from lvslab.api import testing
from lvslab.errors import EngineError

from .recorded import measured

pytest_plugins = ["pytester"]


HERE = "name: here\ndirectors: [a]\nreal_servers: [b]\nvip: 172.20.1.9\n"


class StubLab:
    """Stands in for lvslab.Lab: no engine, every call is noted."""

    #: What was done to which lab, in order; and how the next one comes up, or fails to.
    calls: list[str]
    comes: str
    refuses: bool
    seen: Measured

    def __init__(self, topology: Topology, name: str, on_result: Any) -> None:
        self.topology, self.name = topology.named(name), name
        self.how = self.comes
        self._on_result = on_result

    @classmethod
    def up(cls, topology: Topology, *, engine: str, name: str, keep: bool, progress: Any,
           on_result: Any) -> StubLab:  # fmt: skip
        cls.calls.append(f"up {name} {topology.name} {engine}")
        if cls.refuses:
            raise EngineError("no engine can be used", fix="lvslab doctor")
        return cls(topology, name, on_result)

    def fail(self) -> Measured:
        self._on_result(self.seen)
        return self.seen

    def reset(self) -> None:
        self.calls.append(f"reset {self.name}")

    def ready(self) -> None:
        self.calls.append(f"ready {self.name}")

    def down(self) -> None:
        self.calls.append(f"down {self.name}")

    def close(self) -> None:
        self.calls.append(f"close {self.name}")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[StubLab]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LVSLAB_ENGINE", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setattr(testing, "Lab", StubLab)
    StubLab.calls, StubLab.comes, StubLab.refuses = [], "lab", False
    return StubLab


def test_each_test_gets_the_lab_as_new_and_the_end_tears_it_down(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    pytester.makepyfile("def test_a(lab): pass\ndef test_b(lab): pass\ndef test_c(): pass\n")
    pytester.runpytest_inprocess("--strict-markers").assert_outcomes(passed=3)
    assert stub.calls == ["up pytest lvs-dr auto", "reset pytest", "down pytest"]


def test_the_sessions_lab_is_healed_before_each_test_with_it(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    pytester.makepyfile(
        "def test_a(lab_session): pass\ndef test_b(): pass\ndef test_c(lab_session): pass\n"
        "def test_d(lab_session, lab): assert lab is lab_session\n"
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=4)
    assert stub.calls == [
        "up pytest lvs-dr auto",
        "ready pytest",
        "ready pytest",
        "reset pytest",
        "down pytest",
    ]


def test_options_say_engine_topology_and_whether_it_stays(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    pytester.makepyfile("def test_a(lab): pass\n")
    result = pytester.runpytest_inprocess(
        "--lvslab-engine=embedded", "--lvslab-topology=lvs-dr-fast", "--lvslab-keep"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["lvslab: lab pytest is left up: *lvslab teardown pytest"])
    assert stub.calls == ["up pytest lvs-dr-fast embedded", "close pytest"]


def test_the_topology_of_the_folder_or_of_a_fixture_of_ones_own(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    pytester.makefile(
        ".yaml", lvslab="directors: [a]\nreal_servers: [b]\nvip: 172.20.1.9\nname: here"
    )
    pytester.makepyfile("def test_a(lab): assert lab.topology.directors == ['a']\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    pytester.makeconftest(
        "import pytest\n@pytest.fixture(scope='session')\n"
        "def lvslab_topology(): return 'active-active'\n"
    )
    pytester.makepyfile("def test_a(lab): pass\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert [c for c in stub.calls if c.startswith("up")] == [
        "up pytest here auto",
        "up pytest active-active auto",
    ]


def test_the_marker_changes_what_one_test_is_played_on(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        SEVEN = {"vrrp_instances": {"VI_1": {"vrid": 7}}}

        @pytest.mark.lvslab_topology("lvs-dr-fast", changes=SEVEN)
        def test_a(lab):
            assert lab.topology.spec.vrrp_instances[0].vrid == 7

        def test_b(lab, lab_session):
            assert lab.topology.spec.vrrp_instances[0].vrid == 51

        @pytest.mark.lvslab_topology(changes={"vrrp_instances": {"VI_1": {"vrid": 8}}})
        def test_c(lab, lab_session):
            assert lab is not lab_session

        @pytest.mark.lvslab_topology(changes={"vrrp_instances": {"VI_1": {"vrid": 9}}})
        def test_d(lab):
            assert lab.topology.spec.vrrp_instances[0].vrid == 9

        def test_e(lab_session):
            assert lab_session.topology.spec.vrrp_instances[0].vrid == 51
        """
    )
    pytester.runpytest_inprocess("--strict-markers").assert_outcomes(passed=5)
    assert stub.calls == [
        "up pytest lvs-dr-fast auto",
        # test_b: the session's own serves as this test's, too.
        "down pytest",
        "up pytest lvs-dr auto",
        "reset pytest",
        # test_c: two at once, because it wants two.
        "ready pytest",
        "up pytest-2 lvs-dr auto",
        # test_d: the session's is away meanwhile.
        "down pytest-2",
        "down pytest",
        "up pytest-2 lvs-dr auto",
        # test_e: and is back as it was.
        "down pytest-2",
        "reset pytest",
        "down pytest",
    ]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("colour='red'", "*the marker lvslab_topology: *unexpected keyword argument 'colour'*"),
        ("'nope'", "*no file and no topology is called 'nope'*"),
        ("changes={'foo': 1}", "*changes:1:1: unknown key 'foo'*"),
    ],
)
def test_a_wrong_marker_is_told_without_a_traceback(
    pytester: pytest.Pytester, stub: type[StubLab], marker: str, said: str
) -> None:
    pytester.makepyfile(
        f"import pytest\n@pytest.mark.lvslab_topology({marker})\ndef test_a(lab): pass\n"
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    assert stub.calls == []


def test_no_engine_is_told_without_a_traceback(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    stub.refuses = True
    pytester.makepyfile("def test_a(lab): pass\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*lvslab: no engine can be used*", "*lvslab doctor*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_failed_test_tells_what_it_measured_and_where_that_is(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    stub.seen = measured("lvs1")
    pytester.makepyfile(
        "def test_good(lab): assert lab.fail().outage < 4.0\n"
        "def test_bad(lab): assert lab.fail().outage < 0.5\n"
        "def test_none(lab): assert False\n"
    )
    result = pytester.runpytest_inprocess("--basetemp=there")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*where * = <link-down in lvs1: outage *within>.outage*",
            "*- lvslab -*",
            "<link-down in lvs1: outage *within>",
            "  history: *",
            "*FAULT link-down*",
            "*verdict *within: measured*",
        ]
    )
    text = result.stdout.str()
    # Once: what passed is not told, nor what an earlier test measured.
    assert text.count("history: ") == 1
    (line,) = (x for x in text.splitlines() if "history: " in x)
    file = Path(line.partition("history: ")[2])
    assert file.name.endswith("test_bad-1.jsonl")
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_told_where_to_it_keeps_the_history_of_every_measurement(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    stub.seen = measured("lvs1")
    pytester.makepyfile("def test_good(lab):\n    lab.fail()\n    lab.fail()\n")
    pytester.runpytest_inprocess("--lvslab-report=kept").assert_outcomes(passed=1)
    kept = sorted(p.name for p in (pytester.path / "kept").iterdir())
    assert [name.partition(".py-")[2] for name in kept] == [
        "test_good-1.jsonl",
        "test_good-2.jsonl",
    ]


def test_ctrl_c_tears_down(pytester: pytest.Pytester, stub: type[StubLab]) -> None:
    pytester.makepyfile("def test_a(lab): raise KeyboardInterrupt\ndef test_b(lab): pass\n")
    result = pytester.runpytest_inprocess(no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert stub.calls == ["up pytest lvs-dr auto", "down pytest"]


def test_what_a_killed_run_left_is_made_as_new(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    stub.comes = "running"
    pytester.makepyfile("def test_a(lab): pass\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert stub.calls == ["up pytest lvs-dr auto", "reset pytest", "down pytest"]


def test_two_runs_at_once_do_not_share_a_lab(
    pytester: pytest.Pytester, stub: type[StubLab]
) -> None:
    other = testing.Labs(engine="auto", keep=False, report=Path, save_all=False)
    other.for_test(Topology.builtin("lvs-dr"))
    pytester.makepyfile("def test_a(lab): assert lab.name == 'pytest-2'\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    other.close()
    pytester.makepyfile("def test_a(lab): assert lab.name == 'pytest'\n")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_run_without_labs_begins_none(pytester: pytest.Pytester, stub: type[StubLab]) -> None:
    pytester.makepyfile("def test_a(): pass\ndef test_b(): assert False\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*- lvslab -*")
    assert stub.calls == []
