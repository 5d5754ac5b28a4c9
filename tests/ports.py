"""Ports for the servers that tests start."""

import secrets
import socket


def free_port() -> int:
    """A port of this machine that nobody has.

    It lies below those that outgoing connections are given, so that none of these takes it before the server does.
    """
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
