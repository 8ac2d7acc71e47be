"""``lvslab proxy``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.target import VipOption
from lvslab.cli.verb import LOOK, verb
from lvslab.errors import USAGE, LvslabError


class PortError(LvslabError):
    """The port to listen on cannot be had."""

    exit_code = USAGE


@verb(panel=LOOK, json=True, order=60)
def proxy(
    s: Session,
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="Where to listen (0: any).")
    ] = 8080,
    vip: VipOption = None,
) -> None:
    """Open the VIP at 127.0.0.1:PORT, for a browser; each reload is a new connection.

    Of a VIP that speaks TLS, the browser has the page without.
    """
    from lvslab.cli.relay import Relay, Served
    from lvslab.lab.answers import virtual_server
    from lvslab.topology.served import is_secure

    def served(one: Served) -> None:
        s.out.stream(
            {
                "event": "request",
                "request": one.request,
                "status": one.status,
                "seconds": round(one.seconds, 3),
                "error": one.error,
            }
        )
        if s.out.tells:
            s.out.raw(f"{one.request}  {one.status or one.error}  {one.seconds:.2f} s")

    with opened(s) as lab:
        vs = virtual_server(lab.spec, vip, http=True)
        client = lab.a_client()
        try:
            server = Relay(
                port,
                lab.engine.client.api,
                str(client.container.id),
                (str(vs.vip), vs.port),
                served,
                tls=is_secure(lab.spec.virtual_servers, vs),
            )
        except OSError as error:
            raise PortError(
                f"cannot listen on 127.0.0.1:{port}: {error.strerror}",
                fix="give another port, or any free one with --port 0",
            ) from error
        with server:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            s.out.stream({"event": "listening", "url": url, "vip": vs.key, "lab": lab.name})
            s.out.text(f"[bold]{url}[/] is {vs.key} of lab {lab.name}, as {client.name} sees it")
            s.out.next("open it and reload a few times", "Ctrl-C to end")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return
