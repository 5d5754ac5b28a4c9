"""A real PostgreSQL server that the tests start and kill: its own folder, its own port, an unprivileged user."""

import contextlib
import os
import pwd
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import psycopg

from tests.ports import free_port

_USER = "playground"


def binaries() -> Path | None:
    """Where PostgreSQL's programs lie, None without it."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return debian[-1] if debian else Path(on_path).parent if on_path else None


def _nobody() -> dict[str, int]:
    """PostgreSQL refuses to run as root; as root the tests lend it the user nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


class Server:
    """One server. `kill` ends it the hard way, all its processes at once; `start` brings it back on the same data."""

    def __init__(self, folder: Path) -> None:
        programs = binaries()
        assert programs is not None, "PostgreSQL is not installed; on Debian and Ubuntu: apt install postgresql"
        self.programs = programs
        # A root's temporary folder is closed to others, and a socket's path must be short.
        self.folder = Path("/tmp") / f"pg-{secrets.token_hex(4)}" if os.geteuid() == 0 else folder
        self.folder.mkdir(exist_ok=True)
        if user := _nobody():
            os.chown(self.folder, user["user"], user["group"])
        self._run("initdb", "-D", str(self.folder / "data"), "-U", _USER, "--auth", "trust", "--no-sync", "-E", "UTF8")
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, *arguments]
        ran = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, **_nobody())
        assert ran.returncode == 0, ran.stderr

    def start(self) -> None:
        """Start, after a crash too, and wait until it answers."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "60",
            "shared_buffers": "32MB",
            "restart_after_crash": "off",
        }
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        # A killed server leaves its lock file, whose process id may be another process's by now.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **_nobody())
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)  # not up yet, or recovering
        raise AssertionError((self.folder / "log").read_text())

    def kill(self) -> None:
        """kill -9 to every process of the server at once."""
        if self.process is not None:
            server = psutil.Process(self.process.pid)
            everyone = [server, *server.children(recursive=True)]
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.process.wait()
            while any(_runs(process) for process in everyone):
                time.sleep(0.01)
            self.process = None

    def remove(self) -> None:
        """End it and delete its data."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def address(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"d{secrets.token_hex(6)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)


def _runs(process: psutil.Process) -> bool:
    """Whether a process is more than an entry that nobody has cleared away yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
