"""A web server that is long in ending: its port accepts, nobody answers, and checks wait for that.

Apache waits for what its children have open, be it a connection whose client is gone: nine seconds,
then it kills them; and it ends itself within one or two more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvslab.lab import Lab
from lvslab.timeline import checkbounds
from lvslab.timeline.run import ALLOWANCE

from .playing import play_out
from .proofs import beside, written
from .small import head

pytestmark = pytest.mark.engine

_TIMERS = "connect_timeout: 0.5, retry: 1, delay_before_retry: 0.25"
LAB = (
    head("ending", directors=1)
    + f"""
virtual_servers:
  - {{port: 80, delay_loop: 0.5, check: {{type: HTTP_GET, {_TIMERS}}}}}
  - {{port: 8080, delay_loop: 0.5, check: {{type: TCP_CHECK, {_TIMERS}}}}}
"""
)
SERVER, PORT = "172.29.1.10", 80

#: Connects anew each second and asks nothing, for two minutes: argv is ADDRESS PORT. What runs it
#: goes on as soon as the first connection is there.
IDLE = r"""
import os, socket, sys, time
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)]
if os.fork():
    os._exit(0)
for fd in (0, 1, 2):
    os.close(fd)
for _ in range(120):
    time.sleep(1)
    try:
        held.append(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5))
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def lab(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with written(LAB, "ending", tmp_path_factory.mktemp("topology")) as made:
        yield made


def test_what_it_takes_to_end_is_in_the_bound(lab: Lab) -> None:
    with beside(lab, "client") as client:
        client.run("python3", "-c", IDLE, SERVER, str(PORT))
        seen = play_out(lab, "rs1", "httpd-stop")
    (ended,) = seen.events("service.exited", "rs1", service="httpd")
    fault_t = seen.result.fault_t
    took = ended.t - fault_t
    gone: dict[int, float] = {}
    for vs in lab.spec.virtual_servers:
        check = vs.members[0].check
        assert check is not None
        (out,) = seen.events("ipvs", "lvs1", change="removed", port=vs.port, server=SERVER)
        gone[vs.port] = out.t - fault_t
        bound = checkbounds.rs_removed(check, vs.delay_loop, "refused", ending=took)
        assert bound.explains(gone[vs.port], resolution=ALLOWANCE), bound
        # A server that refuses at once would have been out long before.
        assert took > checkbounds.rs_removed(check, vs.delay_loop, "timeout").high
        assert not checkbounds.rs_removed(check, vs.delay_loop, "refused").explains(gone[vs.port])
    # One check asks and is not answered; the other connects, and is content until the end.
    assert gone[80] < took < gone[8080]
    until = [e.data["result"] for e in seen.answers() if e.data["start"] < ended.t - 1.0]
    assert "timeout" in until
    assert "refused" not in until
