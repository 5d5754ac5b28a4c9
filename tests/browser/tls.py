"""A reverse proxy with TLS, and a site of somebody else's beside it, both under names of one domain.

Each connection carries one request: that is all a browser needs, and keeps the proxy small.
"""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from pathlib import Path

DOMAIN = "example.test"
RULES = f"MAP *.{DOMAIN} 127.0.0.1"
"""How Chromium is told where the names lead."""


def certificate(folder: Path) -> ssl.SSLContext:
    """A self-signed certificate, made on the spot."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", f"/CN=*.{DOMAIN}"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


class Proxy:
    """TLS at a port of its own: `staff.` leads to a local port, any other name to an empty page."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.context, self.upstream, self.port = certificate(folder), upstream, 0
        self.open, self.over = threading.Event(), asyncio.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    def __enter__(self) -> "Proxy":
        self.thread.start()
        self.open.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join()

    async def _live(self) -> None:
        """Serve until it is over; who is still being answered then is let go."""
        self.loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.open.set()
        await self.over.wait()
        server.close()

    def url(self, name: str) -> str:
        """The address of a name of the domain."""
        return f"https://{name}.{DOMAIN}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        plain = writer.transport
        try:
            await writer.start_tls(self.context)  # here, so that who is cut off amid the handshake is let go as well
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            if any(line.lower().startswith(f"host: staff.{DOMAIN}") for line in head):
                await self._pass_on(head, reader, writer)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nHello")
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the browser went away
        finally:
            writer.transport.abort()
            plain.abort()

    async def _pass_on(self, head: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = [line for line in head if not line.lower().startswith("connection:")]
        told = [*kept, "Connection: close", "X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.9", "", ""]
        there, here = await asyncio.open_connection("127.0.0.1", self.upstream)
        here.write("\r\n".join(told).encode("latin-1"))
        sending = asyncio.create_task(_copy(reader, here))
        try:
            await _copy(there, writer)
        finally:
            sending.cancel()
            here.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # either end went away
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
