import json
import socket
import threading

import pytest

from lvslab.engine.embedded.qmp import Qmp
from lvslab.errors import EngineError


@pytest.fixture
def qemu(tmp_path):
    """A QMP server that answers each command with the next of its answers; notes the commands."""
    path = tmp_path / "q"
    asked: list[str] = []
    answers: list[dict[str, object]] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as file:

            def say(message):
                file.write(json.dumps(message).encode() + b"\n")
                file.flush()

            say({"QMP": {}})
            for line in file:
                command = json.loads(line)["execute"]
                if command == "qmp_capabilities":
                    say({"return": {}})
                    continue
                asked.append(command)
                say(answers.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    qmp = Qmp(path)
    yield qmp, asked, answers
    qmp.close()
    thread.join()
    listener.close()


def status(word):
    return {"return": {"status": word, "running": False}}


def test_a_machine_goes_on_only_when_qemu_has_let_go_of_the_migration(qemu):
    qmp, asked, answers = qemu
    answers += [status("finish-migrate")] * 2 + [status("postmigrate"), {"return": {}}]
    qmp.resume()
    assert asked == ["query-status"] * 3 + ["cont"]


def test_what_qemu_refuses_is_said_in_its_words(qemu):
    qmp, _, answers = qemu
    answers += [status("paused"), {"error": {"desc": "Resetting the Virtual Machine is required"}}]
    with pytest.raises(EngineError, match="refused cont: Resetting the Virtual Machine"):
        qmp.resume()
