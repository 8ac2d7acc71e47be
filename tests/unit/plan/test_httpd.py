"""httpd as a real server runs it: what it is told, and what it then answers."""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.plan import render
from lvslab.plan.httpd import HTTPD_CONF, httpd_of
from lvslab.topology import loads
from tests.unit.plan import specs

ASKED = """
network: {subnet: 10.9.0.0/24}
directors: [lvs1]
real_servers: {rs1: {address: 10.9.0.10}}
vip: 10.9.0.100
virtual_servers:
  - {port: PORT1, check: {type: SSL_GET, status_code: 503}}
  - port: PORT2
    check:
      path: /a?b=c&d=%20.x
      status_code: 299
      raw: |
        url {
          path /moved
          status_code 301
        }
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that www-data may look into, as it may not into those of pytest."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two ports that nobody has just now."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def asked(folder, ports) -> Iterator[tuple[int, int]]:
    """Apache, run as in a real server with these checks, but for the folders; its ports."""
    apache = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    if apache is None or shutil.which("openssl") is None:
        pytest.skip("apache2 and openssl are not both installed")
    text = ASKED.replace("PORT1", str(ports[0])).replace("PORT2", str(ports[1]))
    spec = loads(text, "asked")
    httpd = httpd_of(spec, spec.real_servers[0])
    there = ("/etc/lvslab", "/var/www", "/var/lib/lvslab", render.RUN)

    def here(text: str) -> str:
        for path in there:
            text = text.replace(path, f"{folder}{path}")
        return text

    for plan in httpd.files():
        path = folder / plan.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(here(plan.content.decode()))
    (folder / render.RUN.lstrip("/")).mkdir(parents=True)
    words = [apache if word == "apache2" else here(word) for word in httpd.argv]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", ports[1])).close()
                break
            except OSError:
                assert time.monotonic() < until, (folder / "log").read_text()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(0.05)
                    pytest.fail((folder / "log").read_text())
        yield ports
    finally:
        running.terminate()
        running.wait(30)
    made = folder / render.TLS_FOLDER.lstrip("/")
    assert [(f.name, f.stat().st_mode & 0o777) for f in sorted(made.iterdir())] == [
        ("certificate.pem", 0o600),
        ("key.pem", 0o600),
    ]


def test_apache_answers_each_check_as_it_expects(asked):
    secure, plain = asked

    def get(port: int, path: str, tls: bool) -> tuple[int, bytes]:
        found = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            found = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        found.putrequest("GET", path)
        found.endheaders()
        answer = found.getresponse()
        told = answer.status, answer.read()
        found.close()
        return told

    page = b"from 10.9.0.10\n"
    assert get(secure, "/", tls=True) == (503, page)
    assert get(secure, "/lvslab", tls=True) == (200, page)
    assert get(secure, "/", tls=False)[0] == 400
    # The path is what was asked for, to the letter: no pattern, and with what is behind the ?.
    assert get(plain, "/a?b=c&d=%20.x", tls=False) == (299, page)
    for other in ("/a", "/a?b=c&d=%20ax", "/a?b=c&d=%20.xy", "/moved/", "/"):
        assert get(plain, other, tls=False) == (200, page)
    assert get(plain, "/moved", tls=False) == (301, page)


def test_a_path_is_no_pattern():
    assert render.pattern("/a-b_c/9") == "/a-b_c/9"
    assert render.pattern("/a.*[x]?$\\ü") == r"/a\x2e\x2a\x5bx\x5d\x3f\x24\x5c\xc3\xbc"


@given(st.text())
def test_the_pattern_of_a_path_matches_it_and_is_one_word_of_a_configuration(path):
    made = render.pattern(path)
    assert re.fullmatch(made.encode(), path.encode())
    # What Apache would read otherwise within quotes: a quote, one escaped, a variable, a new line.
    assert not re.search(r'["\n$\\]', made.replace("\\x", ""))
    assert "\n" not in render.comment(path)
    assert not render.comment(path).endswith("\\")


def test_no_key_is_in_a_plan_and_without_tls_nothing_of_it():
    spec = loads(ASKED.replace("PORT1", "443").replace("PORT2", "80"), "asked")
    httpd = httpd_of(spec, spec.real_servers[0])
    assert (httpd.tls, dict(httpd.odd)[443]) == ((443,), {"/": 503})
    assert not any(b"PRIVATE" in f.content or "pem" in f.path for f in httpd.files())
    assert "ask" not in httpd.service()
    conf = httpd.conf(odd=False)
    assert "Rewrite" not in conf
    assert "SSLEngine on" in conf
    plain = httpd_of(specs.article(), specs.article().real_servers[0])
    assert plain.argv == ("apache2", "-D", "FOREGROUND", "-f", HTTPD_CONF)
    assert not re.search("ssl|rewrite|asis|VirtualHost", plain.conf())


def test_the_agent_is_told_how_to_ask_where_it_is_not_as_ever():
    spec = loads(ASKED.replace("PORT1", "443").replace("PORT2", "8080"), "asked")
    service = httpd_of(spec, spec.real_servers[0]).service()
    assert service["ask"] == {"port": 443, "tls": True, "path": "/lvslab"}
    assert service["ready"] == {"listen": [443, 8080]}


def test_apache_takes_its_configuration(tmp_path):
    apache = shutil.which("apache2") or shutil.which("apache2", path="/usr/sbin")
    if apache is None:
        pytest.skip("apache2 is not installed")
    conf = tmp_path / "httpd.conf"
    text = render.httpd_conf(specs.article().real_servers[0], (80, 8080))
    conf.write_text(text.replace(render.DOCROOT, str(tmp_path)))
    done = subprocess.run(
        [apache, "-t", "-f", str(conf)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "Syntax OK")
