"""The agent itself: sets the node up, then serves commands and events until SIGTERM."""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import time
from functools import partial

from . import arp, children, ipvs, ipvs_watch, rtnl, services, state
from .faults import Faults
from .fifo import Fifo
from .journal import Journal
from .logs import Logs
from .loop import Loop, Until
from .netlink import Monitor
from .ops import STATE_TIMEOUT, Context, remove_stale_pid_files
from .packets import Sniffer
from .probes import Probes, requests
from .proto import LineReader, Out, Refused, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .loop import Task

    Fields = dict[str, Any]
    Reply = Callable[[dict[str, Any]], None]

#: Seconds that services have to end when the node is stopped; then they are killed.
FAREWELL = 4.0
#: Seconds for the last lines to be read.
_FLUSH = 1.0
_LOCAL_HTTP_DEADLINE = 2.0
#: Seconds that one question by ARP may wait for answers.
_ARP_LIMIT = 10.0
#: Seconds after the end of stdin until it is looked at again.
_STDIN_AGAIN = 1.0
#: Seconds for which a VIP's first announcement may be read before its address.
_ANNOUNCED = 1.0
_SHOWN_SYSCTLS = ("arp_ignore", "arp_announce", "ip_forward", "/vs/")
#: What keepalived says on its FIFO that is a VRRP state (the rest are remarks).
_VRRP_STATES = frozenset({"MASTER", "BACKUP", "FAULT", "STOP"})


class Agent:
    """One node's agent."""

    def __init__(self, spec: dict[str, Any], journal: str) -> None:
        self._spec = spec
        self._role: str = spec["role"]
        self._interface: str = spec.get("interface", "eth0")
        self._loop = Loop()
        self._out = Out(1, spec["node"], self._want_write)
        emit = self._out.event
        self._logs = Logs(self._loop, 2, emit)
        self._supervisor = services.Supervisor(
            spec.get("services", []), self._service_event, self._logs
        )
        self._monitor = Monitor(spec.get("vips", []), self._kernel_event)
        #: VIPs that came and gratuitous ARPs that left in this round of the loop.
        self._came: list[tuple[float, dict[str, Any]]] = []
        self._announced: list[tuple[float, str]] = []
        self._gone: dict[str, float] = {}
        self._sniffer: Sniffer | None = None
        self._watch_timer = 0
        self._ipvs = ipvs_watch.Watch(self._loop, emit)
        self._vrrp: dict[str, dict[str, Any]] = {}
        self._probes = Probes(self._loop, self._supervisor, self._out, spec["node"])
        managed = frozenset(spec.get("vips", []) if self._role == "director" else [])
        context = Context(self._loop, self._supervisor, self._interface, managed)
        context.spared = self._probes.pids
        context.warn = lambda what: emit("agent.warning", what=what)
        self._faults = Faults(context, Journal(journal), emit, lambda: self._out.flush(_FLUSH))
        self._reader = LineReader()
        self._wakeup, wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)
        self._leaving = False
        self._commands: dict[str, Callable[[dict[str, Any], Reply], Task | None]] = {
            "ping": self._ping,
            "status": self._status,
            "state": self._state,
            "prepare": self._faults.prepare,
            "inject": self._faults.inject,
            "heal": self._heal,
            "journal": lambda _order, reply: reply({"entries": self._faults.listed()}),
            "watch": self._watch,
            "probe.start": self._probe_start,
            "probe.renew": self._probe_renew,
            "probe.stop": self._probe_stop,
            "request": self._request,
            "arp": self._arp,
            "service": self._service,
        }

    def run(self) -> None:
        """Set the node up and serve until SIGTERM or SIGINT."""
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._loop.add(self._wakeup, self._signalled)
        self._loop.add(self._monitor.fd, self._monitor.read)
        self._loop.spawn(self._set_up())
        self._loop.run()
        self._logs.flush(_FLUSH)
        self._out.flush(_FLUSH)

    # --- set-up -------------------------------------------------------------------------

    def _set_up(self) -> Task:
        remove_stale_pid_files()
        for vip in self._spec.get("lo_vips", []):
            self._attempt(f"{vip} on lo", partial(rtnl.add_address, vip, 32, "lo"))
        for key in ("vrrp_fifo", "lvs_fifo"):
            if self._spec.get(key):
                fifo = Fifo(self._spec[key], self._fifo_event)
                self._loop.add(fifo.fd, fifo.read)
        if self._role == "director":
            self._attempt("watching packets", self._open_sniffer)
        # Whatever waits on stdin waits until the node is as its description says.
        yield from self._faults.recover()
        for name in self._supervisor.services:
            try:
                self._supervisor.start(name)
            except Refused:
                continue  # reported as service.exited; the node stays, to be looked at
            self._loop.spawn(self._until_ready(name))
        self._listen()
        boot = round(time.clock_gettime(time.CLOCK_BOOTTIME), 6)
        self._out.event("agent.ready", pid=os.getpid(), boot=boot)

    def _listen(self) -> None:
        self._loop.add(0, self._stdin)

    def _attempt(self, what: str, do: Callable[[], None]) -> None:
        try:
            do()
        except OSError as error:
            self._out.event("agent.warning", what=f"{what}: {error.strerror}")

    def _open_sniffer(self) -> None:
        self._sniffer = Sniffer(self._interface, self._packet_event)
        self._loop.add(self._sniffer.fd, self._sniffer.read)

    def _until_ready(self, name: str) -> Task:
        try:
            yield from self._supervisor.wait_ready(name)
        except Refused as error:
            self._out.event("agent.warning", what=error.what)

    # --- what comes in ------------------------------------------------------------------

    def _want_write(self, wanted: bool) -> None:
        if wanted:
            self._loop.add(1, lambda _events: self._out.drain(), select.EPOLLOUT)
        else:
            self._loop.remove(1)

    def _signalled(self, _events: int) -> None:
        numbers = os.read(self._wakeup, 4096)
        self._supervisor.reap()
        if not self._leaving and (signal.SIGTERM in numbers or signal.SIGINT in numbers):
            self._leaving = True
            self._loop.spawn(self._leave())

    def _leave(self) -> Task:
        running = [s for s in self._supervisor.services.values() if s.pid is not None]
        for service in running:
            if service.pid is not None:
                services.signal_pid(service.pid, signal.SIGTERM)
                for pid in (service.pid, *services.descendants(service.pid)):
                    services.signal_pid(pid, signal.SIGCONT)  # it may be frozen
        yield Until(lambda: all(s.pid is None for s in running), now() + FAREWELL)
        for service in running:
            if service.pid is not None:
                for pid in (*services.descendants(service.pid), service.pid):
                    services.signal_pid(pid, signal.SIGKILL)
        self._loop.stop()

    def _service_event(self, ev: str, t: float | None = None, **fields: Any) -> None:
        self._out.event(ev, t, **fields)
        if ev == "service.exited" and fields["service"] == "keepalived":
            for instance in self._vrrp.values():
                if instance["state"] != "STOP":
                    instance |= {"state": "GONE", "t": round(now(), 6)}

    def _fifo_event(self, ev: str, t: float, fields: Fields) -> None:
        self._out.event(ev, t, **fields)
        if ev == "vrrp.state":
            for service in self._supervisor.services.values():
                service.reported += 1
            instance = self._vrrp.setdefault(str(fields["instance"]), {"state": "INIT"})
            instance["priority"] = fields["priority"]
            if fields["state"] in _VRRP_STATES:
                instance |= {"state": fields["state"], "t": round(t, 6)}

    def _packet_event(self, ev: str, t: float, fields: Fields) -> None:
        droppable = ev == "vrrp.advert" and fields["priority"] != 0
        self._out.event(ev, t, droppable=droppable, **fields)
        if ev == "arp.gratuitous" and fields["dir"] == "out":
            self._announced.append((t, fields["address"]))
            self._loop.defer(self._release)

    def _kernel_event(self, ev: str, t: float | None = None, **fields: Any) -> None:
        if ev == "addr.del":
            # What was announced before says nothing of the next time that it comes.
            self._gone[fields["address"].partition("/")[0]] = now()
        if ev == "addr.add" and t is not None and fields["vip"]:
            self._came.append((t, fields))
            self._loop.defer(self._release)
        else:
            self._out.event(ev, t, **fields)

    def _release(self) -> None:
        """Report the VIPs that came.

        netlink has no time stamps: the time is that of the read, which on a busy processor is
        milliseconds late. But a VIP is there before it is announced, and packets do have one.
        They may be read in one round with the address, or in one before it.
        """
        for t, fields in self._came:
            ip = fields["address"].partition("/")[0]
            since = max(t - _ANNOUNCED, self._gone.get(ip, 0.0))
            announced = [sent for sent, vip in self._announced if vip == ip and sent > since]
            self._out.event("addr.add", min([t, *announced]), **fields)
        self._came.clear()
        recent = now() - _ANNOUNCED
        self._announced = [one for one in self._announced if one[0] > recent]

    # --- commands -----------------------------------------------------------------------

    def _stdin(self, _events: int) -> None:
        try:
            data = os.read(0, 65536)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            # Whoever was attached went away, the node goes on; a FIFO can get another writer.
            self._loop.remove(0)
            self._loop.call_at(now() + _STDIN_AGAIN, self._listen)
        for line in self._reader.feed(data):
            self._loop.spawn(self._command(line))

    def _command(self, line: bytes) -> Task:
        ident: Any = None
        try:
            order = json.loads(line)
            if not isinstance(order, dict):
                raise Refused("a command is a JSON object", "see docs/agent.md")
            ident = order.get("id")
            name = order.get("do")
            if name not in self._commands:
                raise Refused(f"no command {name!r}", "one of " + ", ".join(self._commands))
            task = self._commands[name](order, lambda result: self._out.reply(ident, result))
            if task is not None:
                yield from task
        except Refused as error:
            self._out.refuse(ident, error)
        except OSError as error:
            self._out.refuse(ident, Refused(str(error), "the node's log may say more"))
        except (KeyError, ValueError, TypeError) as error:
            self._out.refuse(ident, Refused(f"{error!r} in this command", "see docs/agent.md"))

    def _ping(self, order: dict[str, Any], reply: Reply) -> None:
        del order
        up = sorted(name for name, link in self._monitor.links().items() if link["up"])
        reply({"macs": self._monitor.macs(), "up": up})

    def _status(self, order: dict[str, Any], reply: Reply) -> Task:
        del order
        result: dict[str, Any] = {
            "services": self._supervisor.snapshot(),
            "links": self._monitor.links(),
            "addresses": self._monitor.addresses(),
            "holds": self._monitor.vips_on(loopback=False),
            "lo_vips": self._monitor.vips_on(loopback=True),
            "vrrp": self._vrrp,
            "ipvs": ipvs.read(),
            "sysctls": {
                key.replace("/", "."): value for key, value in state.sysctls(_SHOWN_SYSCTLS).items()
            },
            "neigh": {
                vip: {"mac": mac, "state": known}
                for vip, (mac, known) in self._monitor.neighbours.items()
            },
            "journal": self._faults.listed(),
            "listening": services.listening(),
            "listening_udp": services.listening("udp"),
        }
        if self._role == "real-server":
            result["http"] = yield from self._local_http()
        reply(result)

    def _state(self, order: dict[str, Any], reply: Reply) -> Task:
        del order
        recorded = yield from children.call(
            self._loop, self._supervisor, lambda: state.take(self._supervisor), STATE_TIMEOUT
        )
        reply(state.visible(recorded))

    def _local_http(self) -> Task:
        httpd = self._supervisor.services.get("httpd")
        if httpd is None or not httpd.ports():
            return {"ok": False, "ms": None, "detail": "this node has no web server"}
        order = {"vip": "127.0.0.1", "port": httpd.ports()[0], "deadline": _LOCAL_HTTP_DEADLINE}
        order |= httpd.ask
        try:
            (result,) = yield from requests(self._loop, self._supervisor, order)
        except Refused as error:
            return {"ok": False, "ms": None, "detail": error.what}
        detail = result["detail"] or result["result"]
        return {"ok": result["result"] == "ok", "ms": result["ms"], "detail": detail}

    def _heal(self, order: dict[str, Any], reply: Reply) -> Task:
        reply((yield from self._faults.heal(order)))

    def _watch(self, order: dict[str, Any], reply: Reply) -> None:
        if self._sniffer is None:
            raise Refused("this node does not watch packets", "only directors do")
        sniffer = self._sniffer
        until = now() + float(order["seconds"])
        sniffer.watch(every_advert=True)
        self._loop.cancel(self._watch_timer)
        self._watch_timer = self._loop.call_at(until, lambda: sniffer.watch(every_advert=False))
        self._ipvs.watch(until)
        reply({"until": round(until, 6)})

    def _probe_start(self, order: dict[str, Any], reply: Reply) -> None:
        reply(self._probes.start(order))

    def _probe_renew(self, order: dict[str, Any], reply: Reply) -> None:
        self._probes.renew(str(order["probe"]))
        reply({})

    def _probe_stop(self, order: dict[str, Any], reply: Reply) -> None:
        self._probes.stop(str(order["probe"]))
        reply({})

    def _request(self, order: dict[str, Any], reply: Reply) -> Task:
        reply({"results": (yield from requests(self._loop, self._supervisor, order))})

    def _arp(self, order: dict[str, Any], reply: Reply) -> Task:
        own, address = str(order["own"]), str(order["address"])
        mark, seconds = bytes.fromhex(order.get("mark", "00" * 6)), float(order.get("seconds", 0.5))
        if len(mark) != 6 or not 0 < seconds <= _ARP_LIMIT:
            raise Refused("arp: a mark of 6 octets, and seconds above 0", f"at most {_ARP_LIMIT:g}")
        macs = yield from children.call(
            self._loop,
            self._supervisor,
            lambda: arp.ask(self._interface, own, address, mark, seconds),
            seconds + STATE_TIMEOUT,
        )
        reply({"macs": macs})

    def _service(self, order: dict[str, Any], reply: Reply) -> Task:
        name, action = str(order["name"]), order["action"]
        if action == "start":
            yield from self._supervisor.start_ready(name)
        elif action == "stop":
            yield from self._supervisor.stop(name)
        else:
            raise Refused(f"no action {action!r}", "start or stop")
        reply({})
