"""Each seeded mistake is found, nothing else with it; and nothing in what is correct."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab.lint.inputs import of_files, of_topology
from lvslab.lint.model import Budget, Setting
from lvslab.lint.registry import all_rules
from lvslab.lint.run import lint
from lvslab.topology import builtins
from lvslab.topology import load as load_topology
from tests.unit.lint.cases import CORRECT, HERE, MISTAKES, header, ids, run

SHIPPED = builtins()


@pytest.mark.parametrize("path", MISTAKES, ids=lambda p: p.stem)
def test_mistake_is_found(path: Path):
    text = path.read_text()
    result = run(text, header(text, "budget"))
    assert path.name[:6] in ids(result)
    assert ids(result) == header(text, "expect").split()
    for finding in result.findings:
        assert result.source(finding.at), "it points nowhere"


@pytest.mark.parametrize("path", CORRECT, ids=lambda p: p.stem)
def test_correct_has_no_finding(path: Path):
    for name in ("lvs1", "lvs2"):
        nodes = of_files([(name, path)], Budget())
        assert [str(f.at) + f.rule.id for f in lint(Setting(nodes)).findings] == []


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_topology_has_no_finding(name: str):
    spec = load_topology(SHIPPED[name])
    result = lint(Setting(of_topology(spec, Budget())))
    assert [f"{f.at} {f.rule.id} {f.hit.message}" for f in result.findings] == []


def test_there_is_a_mistake_for_each_rule():
    seeded = {p.name[:6] for p in MISTAKES}
    # Two look at a file system; test_scripts_on_a_file_system has them. One is keepalived's own.
    assert set(all_rules()) - seeded == {"LVS061", "LVS062", "LVS900"}


def test_scripts_on_a_file_system(tmp_path: Path):
    text = (
        "global_defs {\n script_user root\n enable_script_security\n}\n"
        "vrrp_instance V {\n priority 1\n virtual_router_id 1\n interface eth0\n"
        ' notify_master "/bin/a.sh x"\n notify_backup /bin/b.sh\n notify_fault /bin/c.sh\n'
        " virtual_ipaddress {\n 10.0.0.1\n }\n}\n"
    )
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o755)
    for name, mode in (("a.sh", 0o755), ("b.sh", 0o777)):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(mode)
    result = run(text, root=tmp_path)
    assert [(f.rule.id, f.at.line) for f in result.findings] == [("LVS062", 10), ("LVS061", 11)]
    assert ids(run(text)) == []


def scripts(*lines: str) -> str:
    """Return a correct file with these lines in its instance."""
    return (
        "global_defs {\n script_user root\n enable_script_security\n}\n"
        "vrrp_instance V {\n priority 1\n virtual_router_id 1\n interface eth0\n"
        + "".join(f" {line}\n" for line in lines)
        + " virtual_ipaddress {\n 10.0.0.1\n }\n}\n"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("notify_master '/bin/n.sh master'", []),
        ("""notify_master "/bin/n.sh 'to master' now" """, []),
        ("notify_master '/bin/n.sh master' root root", []),
        (r"notify_master /bin/n.sh\ master", []),
        (r'notify_master "/bin/n.sh \"to master\""', []),
        ("notify_master '/bin/n.sh' master", [("LVS063", '"/bin/n.sh master"')]),
        ("notify_master /bin/n.sh 'to master'", [("LVS063", "\"/bin/n.sh 'to master'\"")]),
        (r"notify_master /bin/n.sh it\'s", [("LVS063", "")]),
        ("notify_master 'n.sh master'", [("LVS064", "")]),
        ("notify_master '/bin/n.sh master", [("LVS005", "")]),
        ("""notify_master "/bin/n.sh 'to master" """, [("LVS005", "")]),
        # Told once, as the double quote that it is.
        ('notify_master "/bin/n.sh', [("LVS005", "")]),
    ],
)
def test_a_script_is_read_as_keepalived_reads_it(line: str, expected: list[tuple[str, str]]):
    found = [(f.rule.id, f.hit.write) for f in run(scripts(line)).findings]
    assert found == expected


def test_a_script_in_single_quotes_is_looked_for_without_them(tmp_path: Path):
    (tmp_path / "bin").mkdir(mode=0o755)
    there = tmp_path / "bin" / "a b.sh"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    lines = (
        "notify_master '\"/bin/a b.sh\" x'",
        r"notify_backup /bin/a\ b.sh",
        "notify_stop '/b'",
    )
    found = run(scripts(*lines), root=tmp_path).findings
    assert [(f.rule.id, f.at.line) for f in found] == [("LVS061", 11)]


#: The rows of what is wrong in the article's files, each as (rule, line).
ARTICLE = [
    ("LVS020", 16),  # vrrp_strict drops the traffic
    ("LVS021", 32),  # strict, and authentication
    ("LVS022", 23),  # strict, and MASTER
    ("LVS080", 79),  # one virtual server twice
    ("LVS001", 53),  # nat_mask
    ("LVS010", 55),  # persistence_timeout 0
    ("LVS009", 72),  # nb_get_retry
    ("LVS010", 17),  # vrrp_garp_interval 0
    ("LVS010", 18),  # vrrp_gna_interval 0
    ("LVS023", 41),  # the VIP with /16
    ("LVS070", 11),  # the sample's mail server
]


def test_the_articles_files():
    folder = HERE / "article"
    files = [(name, folder / f"{name}.conf") for name in ("lvs1", "lvs2")]
    found = lint(Setting(of_files(files, Budget()))).findings
    first = {(f.rule.id, f.at.line) for f in found if f.node == "lvs1"}
    assert set(ARTICLE) <= first
    second = {(f.rule.id, f.at.line) for f in found if f.node == "lvs2"}
    # state BACKUP there; and the router_id that both have is told at the second.
    assert set(ARTICLE) - {("LVS022", 23)} <= second
    assert ("LVS213", 14) in second
