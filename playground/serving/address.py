"""Listening on an address, or saying in plain words why that cannot be."""

import errno
import socket
from dataclasses import dataclass

from playground.errors import InvalidInput


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """How a browser on this machine asks for it."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"


def check_port(host: str, port: int) -> None:
    """Complain early, in plain words, when the address cannot be had."""
    listen(Address(host, port)).close()


def listen(address: Address) -> socket.socket:
    """A socket that listens. Raises InvalidInput when the address cannot be had."""
    host, port = address.host, address.port
    line = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.bind((host, port))
        line.listen(2048)
        return line
    except OSError as error:
        line.close()
        taken = error.errno == errno.EADDRINUSE
        reason = f"Port {port} is already in use." if taken else f"Cannot listen on {host}:{port}: {error.strerror}."
        raise InvalidInput(reason, "Choose another with --port, for example --port 7861.") from None
    except OverflowError:
        line.close()
        raise InvalidInput(f"{port} is not a port.", "Choose one from 1024 to 65535.") from None
