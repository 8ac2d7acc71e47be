"""keepalived as the judge of virtual servers: what it says it loaded, where there is an ip_vs.

Without one it gives up before it tells (tests/netns/test_conf_judge.py has the instances). What
it tells of a check are the values that count in the end, whoever they come from: the check, its
real server, its virtual server, or keepalived itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from tarfile import TarFile, TarInfo

import pytest

from lvslab.conf import load, load_text
from lvslab.conf.models import RealServer, VirtualServer
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.ipvs_check import node_image
from lvslab.engine.select import machine_name, start_engine
from lvslab.engine.throwaway import throw_away
from lvslab.importer import Source, import_confs
from lvslab.plan.render import keepalived_conf
from lvslab.progress import Silent
from lvslab.topology import builtins
from lvslab.topology import load as load_topology
from tests.unit.lint.cases import CORRECT

pytestmark = pytest.mark.engine

#: The checkers alone, each file until they have begun to tell: what a process writes in one go
#: it finishes before it ends. One without virtual servers has nothing to tell.
_TELL = r"""
for f in /conf/*.conf; do
    keepalived -C -n -l -d -D -i lvs1 -f "$f" >/tmp/told 2>&1 &
    n=0
    until grep -q -e "Virtual server >" -e "No virtual" -e "exited" /tmp/told || [ $n -ge 100 ]; do
        sleep 0.1
        n=$((n + 1))
    done
    kill $!
    wait $!
    echo "== $f"
    cat /tmp/told
    rm -rf /run/keepalived* /tmp/told
    ipvsadm -C
done
"""
_SECOND = 1_000_000
#: Numbers with something behind them, and none: a running keepalived warns, where `-t` refuses.
_WARNED = """\
vrrp_instance VI_1 {
    interface lo
    virtual_router_id 51
    priority 150\u3000
    virtual_ipaddress {
        172.20.1.100
    }
}
virtual_server 172.20.1.100 80 {
    lb_kind DR
    protocol TCP
    quorum 2\u3000
    real_server 172.20.1.10 80 {
        weight 5\u3000
        TCP_CHECK {
            retry 3x
        }
    }
    real_server 172.20.1.11 80 {
        weight x
        TCP_CHECK {
            retry 1
            retry 2
        }
    }
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The correct files, and what is rendered of the topologies that ship, by name."""
    folder = tmp_path_factory.mktemp("conf")
    found = {path.name: path for path in CORRECT}
    for name, source in builtins().items():
        spec = load_topology(source)
        for director in spec.directors:
            path = folder / f"{name}-{director.name}.conf"
            path.write_text(keepalived_conf(spec, director, watched=False))
            found[path.name] = path
    return found


@pytest.fixture(scope="module")
def warned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with numbers that are none."""
    path = tmp_path_factory.mktemp("warned") / "warned.conf"
    path.write_text(_WARNED, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def told(built: None, files: dict[str, Path], warned: Path) -> dict[str, str]:
    """What keepalived says of each file that has virtual servers."""
    archive = _archive(files | {warned.name: warned})
    opened = start_engine("embedded", "reads", debian="trixie", plan=None, progress=Silent())
    try:
        client = opened.engine.client
        image = node_image(client)
        assert image is not None
        said = throw_away(
            client,
            image,
            ["sh", "-c", _TELL],
            what="keepalived",
            made=lambda own: client.api.put_archive(own, "/", archive),
            cap_add=["NET_ADMIN", "NET_RAW"],
            network_mode="none",
        )
    finally:
        opened.engine.close()
        Manager(Silent()).stop(machine_name("reads"))
    parts = re.split(r"^== /conf/", said, flags=re.M)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


def _archive(files: dict[str, Path]) -> bytes:
    buffer = BytesIO()
    with TarFile(fileobj=buffer, mode="w") as tar:
        for name, path in files.items():
            content = path.read_bytes()
            info = TarInfo(f"conf/{name}")
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return buffer.getvalue()


def test_we_see_the_virtual_servers_that_keepalived_says_it_loaded(
    told: dict[str, str], files: dict[str, Path]
):
    assert set(told) == {*files, "warned.conf"}
    wrong, compared = {}, 0
    for name, path in files.items():
        ours = [_ours(vs) for vs in load(path, config_id="lvs1").view.virtual_servers]
        theirs = list(_theirs(told[name]))
        compared += len(ours)
        if ours != theirs:
            wrong[name] = (ours, theirs)
    assert wrong == {}, wrong
    assert compared > len(files)


def test_an_import_has_what_a_running_keepalived_takes_of_a_number(
    told: dict[str, str], warned: Path
):
    made = import_confs([Source("lvs1", load(warned))], name="warned")
    text = keepalived_conf(made.spec, made.spec.directors[0], watched=False)
    (ours,) = load_text(text).view.virtual_servers
    (theirs,) = _theirs(told[warned.name])
    shape = _ours(ours)
    assert (shape["quorum"], theirs["quorum"]) == (2, 2)
    assert shape["servers"] == theirs["servers"]


Shape = dict[str, object]
Checkers = dict[str, list[tuple[object, ...]]]


def _ours(vs: VirtualServer) -> Shape:
    made: Shape = {
        "who": {"address": f"{vs.target} {vs.port or 0}"}.get(vs.of, f"{vs.of} {vs.target}"),
        "scheduler": vs.scheduler,
        "delay_loop": vs.delay_loop,
        "persistence": vs.persistence_timeout or 0,
        "ops": vs.ops,
        "quorum": vs.quorum,
        "hysteresis": vs.hysteresis,
        "sorry": None if vs.sorry is None else f"{vs.sorry[0]} {vs.sorry[1] or vs.port or 0}",
        "servers": [_our_server(r, vs) for r in vs.real_servers],
    }
    return made if vs.of == "fwmark" else made | {"protocol": vs.protocol}


def _our_server(real: RealServer, vs: VirtualServer) -> Shape:
    return {
        "who": f"{real.address} {real.port or 0}",
        "weight": real.weight,
        "method": real.method,
        "inhibit": real.has("inhibit_on_failure") or vs.has("inhibit_on_failure"),
        "checks": [
            (c.kind, c.delay_loop, c.retry, c.delay_before_retry if c.retry else None)
            for c in real.checks
        ],
    }


def _theirs(text: str) -> Iterator[Shape]:
    lines = [re.sub(r"^\w{3} \w{3} .{16}: ", "", x) for x in text.splitlines()]
    body = "\n".join(lines)
    topology, _, checks = body.partition("------< Health checkers >------")
    # In the order of the real servers, each with as many as it has.
    checkers = _checkers(checks)
    for block in topology.split(" ------< Virtual server >------")[1:]:
        head, *servers = block.split("------< Real server >------")
        kind, who = re.findall(r"^ VS (GROUP|FWMARK|VIP) = (.*)$", head, re.M)[0]
        protocol = _value(head, "protocol")
        # How it is named here, and at its checks.
        named = {
            "VIP": (who.replace(", VPORT =", ""), _trio(who, protocol) if kind == "VIP" else ""),
            "GROUP": (f"group {who[1:].rpartition(']')[0]}", who),
            "FWMARK": (f"fwmark {who}", f"FWM {who}"),
        }
        name, label = named[kind]
        made: Shape = {
            "who": name,
            "scheduler": _value(head, "lvs_sched"),
            "delay_loop": float(_value(head, "delay_loop")),
            "persistence": int(_value(head, "persistence timeout", "0")),
            "ops": _value(head, "One packet scheduling").startswith("enabled"),
            "quorum": int(_value(head, "quorum").split(",")[0]),
            "hysteresis": int(_value(head, "quorum").split("= ")[1]),
            "sorry": _sorry(_value(head, "sorry server", "")),
            "servers": [_their_server(s, protocol, label, checkers) for s in servers],
        }
        yield made if kind == "FWMARK" else made | {"protocol": protocol}


def _their_server(block: str, protocol: str, label: str, checkers: Checkers) -> Shape:
    rip, port, weight = re.findall(r"RIP = (\S+), RPORT = (\d+), WEIGHT = (\d+)", block)[0]
    return {
        "who": f"{rip} {port}",
        "weight": int(_value(block, "initial weight", weight)),
        "method": _value(block, "forwarding method").split(",")[0],
        "inhibit": "Inhibit on failure is ON" in block,
        "checks": checkers.get(f"{label} -> {_trio(f'{rip} {port}', protocol)}", []),
    }


def _checkers(text: str) -> Checkers:
    """Return each check's values by the services that it is of."""
    found: Checkers = {}
    for block in re.split(r"^ (?=\S.* -> \S)", text, flags=re.M)[1:]:
        head, _, rest = block.partition("\n")
        kind = _value(rest, "Keepalive method").split(",")[0]
        retries = int(_value(rest, "Retries"))
        # Without a retry keepalived says nothing of the delay before one.
        before = _value(rest, "Delay before retry", "none").split()[0]
        found.setdefault(head.strip(), []).append(
            (
                kind,
                int(_value(rest, "Delay loop").split()[0]) / _SECOND,
                retries,
                None if before == "none" else int(before) / _SECOND,
            )
        )
    return found


def _trio(who: str, protocol: str) -> str:
    """Return ``172.20.1.10 80`` as keepalived's inet_sockaddrtotrio() has it."""
    address, port = who.replace(", VPORT =", "").split()
    return f"[{address}]:{protocol.lower()}:{port}"


def _sorry(text: str) -> str | None:
    match = re.match(r"\[(.*)\]:(?:\w+:)?(\d+)", text)
    return f"{ip_address(match[1])} {match[2]}" if match else None


def _value(block: str, name: str, default: str | None = None) -> str:
    found = re.search(rf"^ +{re.escape(name)} (?:is|=) (.*)$", block, re.M)
    if found is None:
        assert default is not None, f"keepalived says nothing of {name}:\n{block}"
        return default
    return found[1].strip()
