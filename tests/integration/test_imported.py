"""A lab of keepalived.conf files as they are published, on a real engine.

What keepalived reads past, resets or ignores in them is in the lab's files, or left out of them:
keepalived is the judge of whether the lab is then what the files say.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
VIP = "172.30.1.100"
#: A blank of a web page (U+00A0) begins two lines, an instance is written twice, keywords, too;
#: TUN to another network and to another port, a FIFO of its own, a weight with something behind.
CONF = """\
\ufeff! of a web page
global_defs {
    router_id IMPORTED
    vrrp_notify_fifo /run/own.fifo
    vrrp_notify_fifo_script /etc/keepalived/own.sh
}
vrrp_instance VI_1 {
    interface ens3
    virtual_router_id 51
    priority PRIORITY
\u00a0   advert_int 9
    virtual_ipaddress {
        172.30.1.100/16 dev ens3 label ens3
    }
}
vrrp_instance VI_1 {
    interface ens3
    virtual_router_id 51
    priority 10
    virtual_ipaddress {
        172.30.1.101
    }
}
virtual_server 172.30.1.100 80 {
    delay_loop 1
    lb_algo wlc
    lb_algo rr
    lb_kind TUN
    protocol TCP
    connect_timeout 2
    retry 1
    delay_before_retry 1
    real_server 192.168.56.11 8080 {
        weight 3\u3000
        TCP_CHECK {
            connect_timeout 9
            connect_timeout 2
        }
    }
    real_server 192.168.56.12 8080 {
        weight 3
        HTTP_GET {
            url { path /health status_code 404
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def on(module_cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Run a verb on the lab of these files; ``import`` has been asked to write it."""
    folder: Path = tmp_path_factory.mktemp("files")
    given = []
    for name, priority in (("lvs1", "120"), ("lvs2", "110")):
        path = folder / f"{name}.conf"
        path.write_text(CONF.replace("PRIORITY", priority), encoding="utf-8")
        given += ["--node", f"{name}={path}"]
    topology = folder / "imported.yaml"
    module_cli("import", *given, "-o", str(topology))
    module_cli("--engine", "embedded", "--lab", "imported", "up", str(topology))

    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return module_cli("--lab", "imported", *words, **more)

    yield run
    module_cli("teardown", "imported", check=False)


def shown(on: Cli, *words: str) -> Any:
    return json.loads(on(*words, "--json").stdout)


def test_it_is_healthy_and_the_first_instance_counts(on: Cli) -> None:
    status = shown(on, "status")
    assert status["healthy"], status["reasons"]
    assert status["forwarding"] == "TUN"
    # The VIP of the second block is nowhere.
    assert [d["holds"] for d in status["directors"]] == [[VIP], []]


def test_the_tables_have_the_port_of_the_virtual_server_and_the_weight_that_is_read(
    on: Cli,
) -> None:
    for table in shown(on, "ipvs").values():
        (service,) = table["ipvs"]
        assert service["port"] == 80
        rows = {(s["port"], s["weight"], s["forward"]) for s in service["servers"]}
        # Checked at 8080, and found there.
        assert rows == {(80, 3, "Tunnel")}
        assert len(service["servers"]) == 2


def test_each_real_server_has_its_share(on: Cli) -> None:
    answer = shown(on, "curl", "-n", "10")
    assert (answer["served_by"], answer["failed"]) == ({"rs1": 5, "rs2": 5}, {})


def test_keepalived_reads_past_the_same_lines_and_no_others(on: Cli) -> None:
    said = on("logs", "lvs1").stdout
    unknown = [line for line in said.splitlines() if "Unknown keyword" in line]
    assert any("advert_int" in line or "\u00a0" in line for line in unknown), unknown
    assert "already defined" not in said
    assert "ports don't match" not in said
    assert "own.fifo" not in said
