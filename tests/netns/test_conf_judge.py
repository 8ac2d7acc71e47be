"""keepalived itself is the judge of what lvslab.conf reads and lvslab.lint says.

In a network namespace with the interfaces that the files name. The kernel needs no ip_vs: without
it keepalived still reads everything, and names each service when it gives up.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from ipaddress import ip_interface
from pathlib import Path

import pytest

from lvslab.conf import load, load_text
from lvslab.conf.errors import Position
from lvslab.lint.asked import RULE, Complaint, answer, explaining, judged, question
from lvslab.lint.run import Result
from lvslab.plan.render import keepalived_conf
from lvslab.topology import builtins
from lvslab.topology import load as load_topology
from tests.unit.lint.cases import CORRECT, MISTAKES, header, run

_PLACED = r"Line (\d+)\) (.*)"
SINGLE = [p for p in MISTAKES if "# ---- lvs2" not in p.read_text()]
_NETWORK = """
mount -t tmpfs none /run
ip link set lo up
for i in eth0 eth1; do
    ip link add $i type veth peer name p$i
    ip link set $i up
    ip link set p$i up
done
ip addr add 172.20.1.1/16 dev eth0
ip addr add 10.0.0.1/24 dev eth1
ip -6 addr add fd00::1/64 dev eth0 nodad
"""
_TEST = 'for f in "$@"; do echo "== $f"; keepalived -t -i lvs1 -f "$f" 2>&1; echo "-- $?"; done'
#: With the checkers it gives up at once without ip_vs, and may name their services; often before
#: VRRP has dumped what it has. So VRRP comes once more, alone: it stays until it is told to go.
#: With no instance there is nothing to wait for ($2: how many there are).
_DUMP = """
timeout -k 1 2 keepalived -n -l -D -i lvs1 -f "$1" 2>&1
# A child that was just starting when its parent gave up runs on, and no other starts beside it.
n=0
while pkill -9 -x keepalived && [ $n -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
done
rm -rf /run/keepalived*
keepalived -P -n -l -d -D -i lvs1 -f "$1" >/run/dump 2>&1 &
n=0
until [ "$2" = 0 ] || grep -q "< Interfaces >" /run/dump || [ $n -ge 300 ]; do
    sleep 0.1
    n=$((n + 1))
done
cat /run/dump
"""


def _in_namespace(script: str, *arguments: object) -> str:
    # Whatever a run leaves behind ends with its PID namespace.
    command = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
    command += ["sh", "-c", _NETWORK + script, "sh", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120)
    return done.stdout


def _complaints(files: Iterable[Path]) -> dict[str, tuple[list[str], int]]:
    """Return what ``keepalived -t`` says of each file, and its exit code."""
    found: dict[str, tuple[list[str], int]] = {}
    for part in re.split(r"^== ", _in_namespace(_TEST, *files), flags=re.M)[1:]:
        name, *lines = part.splitlines()
        code = next(int(x[3:]) for x in reversed(lines) if x.startswith("-- "))
        told = [x for x in lines if x.strip() and not x.startswith("-- ")]
        # Whether there are scripts is a matter of the machine.
        found[name] = ([x for x in told if "SECURITY" not in x], code)
    return found


def test_keepalived_has_no_complaint_about_what_is_correct():
    told = _complaints(CORRECT)
    assert len(told) == len(CORRECT)
    assert {name: lines for name, (lines, code) in told.items() if lines or code} == {}


def test_whatever_keepalived_complains_of_lint_points_at():
    told = _complaints(SINGLE)
    unexplained = []
    loud = 0
    for path in SINGLE:
        text = path.read_text()
        lines, _ = told[str(path)]
        loud += bool(lines)
        findings = run(text, header(text, "budget")).findings
        if "LVS057" in path.stem:
            # Without a command keepalived removes the script, and then misses it.
            lines = [x for x in lines if "not found" not in x]
        if lines and not findings:
            unexplained.append((path.stem, lines))
        for number, words in (m.groups() for x in lines for m in re.finditer(_PLACED, x)):
            said = Complaint(Position("lvs1.conf", int(number), 1), words)
            if not explaining(findings, said, load_text(text, "lvs1.conf")):
                unexplained.append((path.stem, [number, words]))
    assert unexplained == []
    assert loud > len(SINGLE) // 2, "keepalived said nothing: was it run at all?"


#: What follows from the mistake elsewhere: at an instance, of vrrp_strict; that it has no VIP left,
#: or no interface.
FROM_AFAR = {"LVS020-strict-accept-v2", "LVS032-label-long", "LVS119-instance-on-lo"}


def _judged(path: Path) -> Result:
    """Ask as ``lvslab lint`` does, in a namespace instead of a container."""
    result = run(path.read_text())
    answers = []
    for node in result.setting.nodes:
        argv = list(question(node).argv)
        # In place of the file that a container would be given.
        argv[argv.index(str(Path(node.config.document.name).resolve()))] = str(path)
        command = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", *argv]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
        answers.append(answer(node, done.stdout))
    assert all(a.version for a in answers)
    return judged(result, answers)


def test_asked_as_lint_asks_it_agrees_with_the_correct_and_adds_nothing_to_the_rest():
    for path in CORRECT:
        assert [c for a in _judged(path).asked for c in a.complaints] == [], path
    confirmed = 0
    for path in SINGLE:
        found = _judged(path).findings
        confirmed += any(f.keepalived for f in found)
        more = [f.hit.message for f in found if f.rule.id == RULE]
        assert bool(more) == (path.stem in FROM_AFAR), (path, more)
    assert confirmed > len(SINGLE) // 3


def _shipped(folder: Path) -> list[Path]:
    out = []
    for name, path in builtins().items():
        spec = load_topology(path)
        for director in spec.directors:
            file = folder / f"{name}-{director.name}.conf"
            file.write_text(keepalived_conf(spec, director))
            out.append(file)
    return out


#: A sync daemon ends VRRP, too, where there is no ip_vs.
LOADED = [p for p in CORRECT if p.stem != "sync-daemon"]


@pytest.mark.parametrize("path", LOADED, ids=lambda p: p.stem)
def test_we_see_what_keepalived_says_it_loaded(path: Path):
    _compare(path)


def test_we_see_what_keepalived_says_of_the_shipped_topologies(tmp_path: Path):
    for path in _shipped(tmp_path):
        _compare(path)


def _compare(path: Path) -> None:
    view = load(path, config_id="lvs1").view
    text = _in_namespace(_DUMP, path, len(view.instances))
    assert "Opening file" in text
    seen = {
        (
            i.name,
            i.vrid,
            i.priority,
            i.version,
            tuple(sorted(v.ip for v in i.vips if not v.excluded)),
        )
        for i in view.instances
    }
    assert seen == set(_instances(text)), text
    # A service of a mark is not told of, nor one that stays in the table (inhibit_on_failure).
    said = set(re.findall(r"Shutting down service \[(.*?)\]:\w+:(\d+) from VS", text))
    said = {s for s in said if s[1] != "0"}
    servers = [(v, r) for v in view.virtual_servers if v.of != "fwmark" for r in v.real_servers]
    ours = {(r.address, str(r.port)) for _, r in servers}
    sure = {(r.address, str(r.port)) for _, r in servers if not r.has("inhibit_on_failure")}
    assert said <= ours
    # It may end before it has named any; those that it names are all, then.
    assert not said or sure <= said


def _instances(text: str) -> Iterable[tuple[object, ...]]:
    """Yield what the dump says of each VRRP instance."""
    lines = [re.sub(r"^\w{3} \w{3} .{16}: ", "", x) for x in text.splitlines()]
    starts = [i for i, x in enumerate(lines) if re.match(r" VRRP Instance = ", x)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        block = "\n".join(lines[start:end])

        def value(name: str, block: str = block) -> str:
            match = re.search(rf"^ +{name} = (\S+)", block, re.M)
            assert match is not None, f"the dump has no {name}"
            return match[1]

        vips = []
        heading = re.search(r"Virtual IP \((\d+)\):", block)
        if heading is not None:
            found = re.findall(r"^ {5,}(\S+) (?:dev|scope)", block[heading.end() :], re.M)
            vips = [str(ip_interface(x).ip) for x in found[: int(heading[1])]]
        yield (
            value("VRRP Instance"),
            int(value("Virtual Router ID")),
            int(value("Priority")),
            int(value("VRRP Version")),
            tuple(sorted(vips)),
        )
