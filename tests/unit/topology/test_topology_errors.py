"""Bad files and the exact words about them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from lvslab.errors import NotFoundError, TopologyError
from lvslab.topology import TopologyProblems, load, loads
from lvslab.topology.problems import MAX_PROBLEMS, did_you_mean
from lvslab.topology.yamltree import MAX_BYTES, MAX_VALUES

GOLDEN = sorted((Path(__file__).parent / "errors").glob("*.yaml"))
SMALLEST = "directors: [lvs1, lvs2]\nreal_servers: [rs1, rs2]\nvip: 172.20.1.100\n"


def problems(text: str) -> TopologyProblems:
    with pytest.raises(TopologyProblems) as caught:
        loads(text, "t.yaml")
    return caught.value


def test_there_are_enough_golden_pairs_and_none_is_alone():
    assert len(GOLDEN) >= 40
    assert {p.stem for p in GOLDEN} == {p.stem for p in GOLDEN[0].parent.glob("*.err")}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    with pytest.raises(TopologyProblems) as caught:
        load(Path(path.name))
    assert str(caught.value) + "\n" == path.with_suffix(".err").read_text()
    # Also where somebody wrote the expected text anew: each place is one in the file.
    lines = path.read_text().splitlines() or [""]
    for problem in caught.value.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


@pytest.mark.parametrize(
    ("key", "text"), [("prioritty", "unknown-key"), ("172.20.1.1", "address-twice")]
)
def test_the_column_points_at_the_culprit(key: str, text: str):
    source = (GOLDEN[0].parent / f"{text}.yaml").read_text()
    problem = problems(source).problems[0]
    assert source.splitlines()[problem.line - 1][problem.column - 1 :].startswith(key)


def test_problems_carry_their_parts_and_the_exit_code_of_a_bad_file():
    error = problems(SMALLEST + "vrrp: {advert_int: 0.1, unicats: true}\n")
    problem = error.problems[0]
    assert (problem.file, problem.line, problem.column) == ("t.yaml", 4, 25)
    assert problem.message == "unknown key 'unicats' in vrrp"
    assert problem.hint == "did you mean 'unicast'?"
    assert isinstance(error, TopologyError)
    assert error.exit_code == 64


def test_problems_come_in_the_order_of_the_file():
    text = (GOLDEN[0].parent / "several.yaml").read_text()
    found = problems(text).problems
    assert found == sorted(found, key=lambda p: (p.line, p.column))
    assert len(found) == 7


def test_a_10_mb_file_is_refused_unread(tmp_path: Path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"# " + b"x" * 10_000_000)
    with pytest.raises(TopologyProblems, match=r":1:1: larger than 256 KiB: this is not a topol"):
        load(path)
    with pytest.raises(TopologyProblems, match="larger than 256 KiB"):
        loads("#" * (MAX_BYTES + 1))


def test_an_endless_file_is_refused():
    with pytest.raises(TopologyProblems, match="larger than 256 KiB"):
        load(Path("/dev/zero"))


def test_bytes_that_are_not_utf_8_are_told_with_their_place(tmp_path: Path):
    path = tmp_path / "latin1.yaml"
    path.write_bytes(b"directors: [lvs1]\nname: z\xfcrich\n")
    with pytest.raises(TopologyProblems, match=r"latin1\.yaml:2:8: not UTF-8 text"):
        load(path)


def test_utf_16_is_refused(tmp_path: Path):
    path = tmp_path / "utf16.yaml"
    path.write_bytes(SMALLEST.encode("utf-16"))
    with pytest.raises(TopologyProblems, match=r":1:1: not UTF-8 text"):
        load(path)


def test_control_characters_are_told_with_their_place():
    assert str(problems("directors: [lvs1]\nname: a\x07b\n")).startswith(
        "t.yaml:2:8: a control character"
    )


def test_a_byte_order_mark_and_crlf_are_fine(tmp_path: Path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert [d.name for d in load(path).directors] == ["lvs1", "lvs2"]


def test_a_missing_file_and_a_folder(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no such file") as caught:
        load(tmp_path / "no.yaml")
    assert caught.value.exit_code == 6
    with pytest.raises(TopologyError, match="cannot be read"):
        load(tmp_path)


def test_an_alias_bomb_is_counted_not_expanded():
    # 10 ** 40 values if it were expanded: this test would not end.
    names = [f"n{i}" for i in range(20)]
    lines = ["x0: &n0 [" + ", ".join(["a"] * 100) + "]"]
    lines += [
        f"x{i}: &{name} [" + ", ".join([f"*{before}"] * 100) + "]"
        for i, (before, name) in enumerate(itertools.pairwise(names), 1)
    ]
    assert re.search(rf"more than {MAX_VALUES} values", str(problems("\n".join(lines))))


def test_aliases_within_reason_work():
    spec = loads(
        "directors: [lvs1]\nreal_servers: &pool [rs1, rs2]\nvip: 172.20.1.100\n"
        "virtual_servers:\n  - {port: 80, real_servers: *pool}\n"
    )
    assert [m.server for m in spec.virtual_servers[0].members] == ["rs1", "rs2"]


def test_too_many_values_and_thousands_of_problems_stay_readable():
    many = "\n".join(f"key{i}: {i}" for i in range(2000))
    error = problems(SMALLEST + many)
    assert len(error.problems) == MAX_PROBLEMS
    assert str(error).endswith(f"{MAX_PROBLEMS} problems or more, of which these are the first")
    assert "too much" in str(problems("x: [" + "a, " * MAX_VALUES + "a]"))


def test_a_name_given_from_outside_is_checked():
    assert loads(SMALLEST, name="mine").name == "mine"
    with pytest.raises(TopologyError, match="cannot be a name"):
        loads(SMALLEST, name="no spaces")


def test_nothing_is_suggested_where_nothing_is_close():
    assert did_you_mean("zzz", ["priority"]) == ""
    assert did_you_mean("PRIORITY", ["priority"]) == "did you mean 'priority'?"
