"""Whether an address can be listened on."""

import errno
import socket

from playground.errors import InvalidInput


def check_port(host: str, port: int) -> None:
    """Complain early, in plain words, when the address cannot be had."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = f"Port {port} is already in use." if taken else f"Cannot listen on {host}:{port}: {error.strerror}."
        raise InvalidInput(reason, "Choose another with --port, for example --port 7861.") from None
    except OverflowError:
        raise InvalidInput(f"{port} is not a port.", "Choose one from 1024 to 65535.") from None
