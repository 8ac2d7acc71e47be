"""The link against a stand-in agent at the other end of a real socket."""

import io
import json
import socket
import struct
import threading
from types import SimpleNamespace

import pytest
import requests
from docker.errors import NotFound
from docker.models.containers import Container

from lvslab.errors import AgentError, NotReadyError
from lvslab.observe.link import AgentLink, Subscription


def frame(data, stream=1):
    return struct.pack(">BxxxL", stream, len(data)) + data


def line(**message):
    return json.dumps(message).encode() + b"\n"


class Node(Container):
    """What AgentLink uses of a container: a stream, its death, its log."""

    def __init__(self, already_read=b""):
        super().__init__({"Id": "0"})
        self.here, self.agent = socket.socketpair()
        self.exit_code = None
        # What the HTTP client has read beyond the answer's head is in its buffer.
        raw = SimpleNamespace(_fp=SimpleNamespace(fp=_Buffered(already_read, self.here)))
        self._attached = SimpleNamespace(_sock=self.here, _response=SimpleNamespace(raw=raw))
        self._lines = b""

    def attach_socket(self, **how):
        assert how["params"]["stderr"] == 0
        return self._attached

    def wait(self, *, timeout=None, condition=None):
        if self.exit_code == "removed":
            raise NotFound("gone")
        if self.exit_code is None:
            raise requests.ReadTimeout("running")
        return {"StatusCode": self.exit_code}

    def logs(self, **how):
        assert how["stderr"]
        assert not how["stdout"]
        return b"first\nlast words\n"

    def say(self, data):
        self.agent.sendall(data)

    def hear(self):
        while b"\n" not in self._lines:
            self._lines += self.agent.recv(4096)
        first, _, self._lines = self._lines.partition(b"\n")
        return json.loads(first)

    def answer(self, **reply):
        order = self.hear()
        self.say(frame(line(t=1.0, node="n", re=order["id"], **reply)))
        return order


class _Buffered:
    def __init__(self, already_read, sock):
        self._first, self._sock = already_read, sock

    def read1(self, size):
        first, self._first = self._first, b""
        return first or self._sock.recv(size)


@pytest.fixture
def node():
    node = Node()
    yield node
    node.agent.close()


@pytest.fixture
def link(node):
    with AgentLink(node, "lvs1") as link:
        yield link


def taken(events):
    event = events.get(10)
    assert event is not None
    return event


def in_thread(do):
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def test_request_and_reply(node, link):
    orders = []
    thread = in_thread(lambda: orders.append(node.answer(ok=True, result={"a": 1})))
    assert link.request("inject", timeout=10, fault="x") == {"a": 1}
    thread.join()
    assert (orders[0]["do"], orders[0]["fault"]) == ("inject", "x")


def test_replies_in_any_order(node, link):
    first, second = link.send("status"), link.send("ping")
    orders = [node.hear(), node.hear()]
    for order in reversed(orders):
        node.say(frame(line(re=order["id"], ok=True, result={"of": order["do"]})))
    assert link.wait(first, do="status", timeout=10) == {"of": "status"}
    assert link.wait(second, do="ping", timeout=10) == {"of": "ping"}


def test_replies_to_others_are_not_taken(node, link):
    future = link.send("ping")
    order = node.hear()
    node.say(frame(line(re="somebody-1", ok=True, result={"not": "mine"})))
    node.say(frame(line(re=order["id"], ok=True, result={"mine": 1})))
    assert link.wait(future, do="ping", timeout=10) == {"mine": 1}


def test_refusal(node, link):
    thread = in_thread(lambda: node.answer(ok=False, error="no such fault", fix="use another"))
    with pytest.raises(AgentError, match="no such fault") as caught:
        link.request("inject", timeout=10)
    thread.join()
    assert caught.value.fix == "use another"
    assert caught.value.where == "lvs1"


def test_frames_split_and_joined_anywhere(node, link):
    events = link.subscribe()
    text = line(ev="a") + line(ev="b", text="é" * 50) + line(ev="c")
    stream = b"".join(frame(text[i : i + 7]) for i in range(0, len(text), 7))
    stream = frame(b"a log line\n", stream=2) + stream
    for start in range(0, len(stream), 5):
        node.say(stream[start : start + 5])
    assert [taken(events)["ev"] for _ in "abc"] == ["a", "b", "c"]


def test_nothing_behind_the_answers_head_is_lost():
    node = Node(already_read=frame(line(ev="early"))[:9])
    # The reader starts at once: subscribe by way of a reply that comes after the event.
    rest = frame(line(ev="early"))[9:]
    with AgentLink(node, "n") as link:
        events = link.subscribe()
        node.say(rest)
        assert taken(events)["ev"] == "early"
    node.agent.close()


def test_the_end_of_a_line_at_first_is_skipped(node, link):
    events = link.subscribe()
    node.say(frame(b'null,"x":1}\n' + line(ev="whole")))
    assert taken(events)["ev"] == "whole"


def test_garbage_later_is_an_error_that_surfaces(node, link):
    events = link.subscribe()
    node.say(frame(line(ev="one") + b"garbage\n"))
    assert taken(events)["ev"] == "one"
    with pytest.raises(AgentError, match="not JSON"):
        events.get(10)
    with pytest.raises(AgentError, match="not JSON"):
        link.request("ping")


def test_what_is_no_frame_is_an_error(node, link):
    events = link.subscribe()
    node.say(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(AgentError, match="no frame"):
        events.get(10)


def test_no_answer_in_time_shows_the_log(node, link):
    with pytest.raises(NotReadyError, match=r"'ping' within 0\.0 s") as caught:
        link.request("ping", timeout=0.01)
    assert "last words" in caught.value.what
    # A reply that is late disturbs nothing.
    node.answer(ok=True, result={})
    thread = in_thread(lambda: node.answer(ok=True, result={"b": 2}))
    assert link.request("ping", timeout=10) == {"b": 2}
    thread.join()


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [(137, "died with exit code 137"), ("removed", "was removed"), (None, "stream to the agent")],
)
def test_the_end_of_the_stream_ends_all_waiting(node, link, exit_code, text):
    events = link.subscribe()
    future = link.send("status")
    node.hear()
    node.exit_code = exit_code
    node.agent.shutdown(socket.SHUT_RDWR)
    with pytest.raises(AgentError, match=text):
        link.wait(future, do="status", timeout=10)
    with pytest.raises(AgentError, match=text):
        events.get(10)
    with pytest.raises(AgentError, match=text):
        link.send("ping")
    with pytest.raises(AgentError, match=text):
        link.subscribe()
    assert not link.alive


def test_closing_fails_who_waits_and_ends_the_reader(node):
    link = AgentLink(node, "lvs1")
    future = link.send("ping")
    link.close()
    link.close()
    with pytest.raises(AgentError, match="was closed"):
        link.wait(future, do="ping", timeout=10)
    assert not any(t.name == "agent-lvs1" for t in threading.enumerate())


def test_one_subscription_to_several_agents(link, node):
    other = Node()
    with AgentLink(other, "lvs2") as second, Subscription() as events:
        events.add(link)
        events.add(second)
        node.say(frame(line(ev="a", node="lvs1")))
        assert taken(events)["node"] == "lvs1"
        other.say(frame(line(ev="a", node="lvs2")))
        assert taken(events)["node"] == "lvs2"
        assert events.get(0.01) is None
    other.agent.close()


def test_iterating_ends_when_closed(node, link):
    events = link.subscribe()
    node.say(frame(line(ev="a")))
    assert taken(events)["ev"] == "a"
    events.close()
    assert list(events) == []


def test_ids_of_two_links_differ():
    one, two = Node(), Node()
    with AgentLink(one, "n") as a, AgentLink(two, "n") as b:
        a.send("ping")
        b.send("ping")
        assert one.hear()["id"] != two.hear()["id"]
    for node in (one, two):
        node.agent.close()


def test_the_buffer_is_read_as_the_http_client_does():
    # io.BufferedReader.read1 gives what is buffered without touching the socket: the link
    # relies on it.
    here, there = socket.socketpair()
    there.sendall(b"head\r\nrest")
    reader = io.BufferedReader(socket.SocketIO(here, "rb"))
    assert reader.readline() == b"head\r\n"
    assert reader.read1(100) == b"rest"
    here.close()
    there.close()
