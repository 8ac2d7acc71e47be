from __future__ import annotations

import json

from lvslab.prove.judge import judge
from lvslab.report import prove as report

from .cases import load


def lines(case: str) -> list[str]:
    proof = judge(*load(case))
    said = list(report.arp_lines(proof))
    for server in proof.servers:
        said.append(report.title(server))
        said += [" | ".join(map(str, row)) for row in report.rows(server)]
    return [*said, report.headline(proof), *(report.line(b) for b in proof.breaks)]


def test_a_proof_in_words() -> None:
    said = lines("healthy")
    assert said[0] == "who has 172.20.1.100? lvs1 alone answers: 02:42:ac:14:01:01"
    assert said[1] == "rs1 (172.20.1.10): proved, 2 of 2 requests as it should"
    there, on, back = (line.split(" | ") for line in said[2:5])
    assert there[:4] == ["1", "client", "lvs1", "02:42:ac:14:01:01"]
    assert [there[-1], on[-1], back[-1]] == ["the request", "same addresses", "the answer"]
    assert said[-1] == "proved: 172.20.1.100:80 is direct routing, by rs1 and rs2"


def test_a_break_in_words() -> None:
    said = lines("nat")
    assert said[3].endswith("rewritten")
    assert said[-2].startswith("broken: 172.20.1.100:80")
    assert said[-1].startswith("nat: lvs1 rewrites the destination to 172.20.1.10:80")
    assert lines("no-holder")[0] == "who has 172.20.1.100? nobody answers"
    assert lines("arp-flux")[0] == "who has 172.20.1.100? rs1 and lvs1 answer"
    assert lines("empty-table")[1] == "rs1 (172.20.1.10): no request came to it"


def test_as_json() -> None:
    data = json.loads(json.dumps(report.to_dict(judge(*load("no-vip")))))
    assert data["proved"] is False
    assert data["arp"] == [{"mac": "02:42:ac:14:01:01", "node": "lvs1"}]
    rs1, rs2 = data["servers"]
    assert (rs1["name"], rs1["proved"], rs1["served"], rs1["requests"]) == ("rs1", False, 0, 2)
    assert [h["receiver"] for h in rs1["hops"]] == ["lvs1", "rs1", "lvs1"]
    assert rs1["hops"][2]["note"] == "sent on, not taken"
    assert rs2["hops"][1]["target"] == "172.20.1.100:80"
    assert [b["kind"] for b in data["breaks"]] == ["no-vip"]
