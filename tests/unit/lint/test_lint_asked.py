"""What keepalived 2.2.7 printed, brought to the lines that lint speaks of."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lvslab.lint.asked import Answer, answer, judged, question
from lvslab.lint.inputs import budget_of, of_files
from lvslab.lint.model import Setting
from lvslab.lint.report import as_dict, lines
from lvslab.lint.run import Result, lint

CONF = """\
vrrp_instance VI_1 {
    state BACKUP
    interface eth0.7
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        172.20.1.100/16 dev bond0
    }
}
include more/*.conf
"""
MORE = """\
virtual_server 172.20.1.100 80 {
    lb_kind dr
    protocol TCP
    quorum 5
    real_server 172.20.1.10 80 {
        weight 1
    }
}
"""


@pytest.fixture
def result(tmp_path: Path) -> Result:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/vs.conf").write_text(MORE)
    (tmp_path / "keepalived.conf").write_text(CONF)
    nodes = of_files([("lvs1", tmp_path / "keepalived.conf")], budget_of(""))
    return lint(Setting(nodes))


def said(result: Result, *told: str, code: int = 5) -> Answer:
    text = "\n".join(("Keepalived v2.3.3 (04/01,2025)", *told, f"-- {code}"))
    return answer(result.setting.nodes[0], text)


def test_the_question_carries_every_file_and_names_every_interface(
    result: Result, tmp_path: Path
) -> None:
    asked = question(result.setting.nodes[0])
    with tarfile.open(fileobj=io.BytesIO(asked.archive)) as tar:
        held = {name: tar.extractfile(name).read().decode() for name in tar.getnames()}  # type: ignore[union-attr]
    root = str(tmp_path.resolve()).lstrip("/")
    assert held == {f"{root}/keepalived.conf": CONF, f"{root}/more/vs.conf": MORE}
    *_, interfaces, addresses, main, config_id = asked.argv
    assert (interfaces, addresses) == ("eth0.7 bond0", "")
    assert (main, config_id) == (f"/{root}/keepalived.conf", "lvs1")


def test_what_lint_has_found_too_is_confirmed_where_it_is(result: Result, tmp_path: Path) -> None:
    place = f"({tmp_path.resolve()}/more/vs.conf: Line 2)"
    one = said(result, f"{place} Invalid lvs_method 'dr'")
    new = judged(result, [one])
    (finding,) = [f for f in new.findings if f.keepalived]
    assert (finding.rule.id, finding.at.line) == ("LVS012", 2)
    assert "    keepalived says: Invalid lvs_method 'dr'" in [x.text for x in lines(new)]
    assert len(new.findings) == len(result.findings)


def test_what_nobody_explains_is_a_finding_at_its_place(result: Result) -> None:
    one = said(result, "(VI_1) Something new is wrong", "(Line 4) and this")
    new = judged(result, [one])
    more = [f for f in new.findings if f.rule.id == "LVS900"]
    assert [(f.at.line, f.hit.message) for f in more] == [
        (1, "keepalived says: (VI_1) Something new is wrong"),
        (4, "keepalived says: and this"),
    ]
    data = as_dict(new)
    assert data["keepalived_asked"] is True
    assert data["keepalived"]["lvs1"]["version"] == "2.3.3"
    assert len(data["keepalived"]["lvs1"]["says"]) == 2


def test_a_virtual_server_that_is_named_is_found_in_the_file_that_it_is_in(
    result: Result,
) -> None:
    text = "Warning - quorum 5 for [172.20.1.100]:tcp:80 exceeds total weight of real servers 1"
    (complaint,) = said(result, text).complaints
    assert Path(complaint.at.file).name == "vs.conf"
    assert (complaint.at.line, complaint.placed) == (1, False)


@pytest.mark.parametrize(
    "machine",
    [
        "SECURITY VIOLATION - scripts are being executed but script_security not enabled.",
        "WARNING - script `/usr/local/bin/check` has no permission to execute - disabling.",
        "Unable to access script `/usr/local/bin/check`",
    ],
)
def test_what_depends_on_the_machine_is_left_out(result: Result, machine: str) -> None:
    assert said(result, machine).complaints == ()


def test_a_crash_is_told_and_no_answer_is_no_agreement(result: Result) -> None:
    told = [x.text for x in lines(judged(result, [said(result, "Segmentation fault", code=139)]))]
    assert told[-1].endswith("was asked (keepalived -t), and crashed over lvs1")
    silent = answer(result.setting.nodes[0], "")
    assert silent.code is None
    assert "crashed" in [x.text for x in lines(judged(result, [silent]))][-1]
    fine = [x.text for x in lines(judged(result, [said(result, code=0)]))]
    assert fine[-1] == "keepalived 2.3.3 was asked (keepalived -t): no complaint"
