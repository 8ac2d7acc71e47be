"""The lab serves: who answers for the VIP, by which way the packets go, with what rights."""

import itertools

from lvslab.lab import Lab, lab_status

CLIENT, VIP = "client", "172.20.1.100"


def test_requests_are_spread_over_the_real_servers(lab: Lab):
    answer = (
        lab.nodes[CLIENT]
        .link()
        .request("request", vip=VIP, port=80, path="/", count=20, deadline=2.0, timeout=60)
    )
    results = answer["results"]
    assert [r["result"] for r in results] == ["ok"] * 20
    served = [r["server"] for r in results]
    # rr: they alternate, and each gets half.
    assert sorted(set(served)) == ["172.20.1.10", "172.20.1.11"]
    assert all(a != b for a, b in itertools.pairwise(served))


def test_the_lab_is_healthy_and_says_so(lab: Lab):
    status = lab_status(lab)
    assert status.healthy, status.reasons
