"""ssh's ProxyCommand: connect to the machine's tunnel port, wake sshd, hand the socket to ssh.

Run as a program by ssh with ProxyUseFdpass=yes: ssh then owns the connection and this ends.
The order matters: a port that nobody is connected to reads as closed in the guest, so the word
that starts sshd is sent after connecting.
"""

from __future__ import annotations

import os
import socket
import sys


def main(folder: str) -> None:
    """Connect to FOLDER/tunnel.sock and pass the descriptor over stdout (see ssh_config(5))."""
    port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    port.connect(os.path.join(folder, "tunnel.sock"))  # noqa: PTH118 (pathlib's import costs 10 ms)
    control = os.open(os.path.join(folder, "control.in"), os.O_WRONLY | os.O_NONBLOCK)  # noqa: PTH118
    os.write(control, b"tunnel\n")
    with socket.socket(fileno=os.dup(sys.stdout.fileno())) as out:
        socket.send_fds(out, [b"\0"], [port.fileno()])


if __name__ == "__main__":
    main(sys.argv[1])
