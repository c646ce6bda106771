"""A PostgreSQL server of the tests' own, on loopback and a free port, with its data in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PASSWORD = "s3kret-of-tests"
SECONDS_TO_START = 60
INITDB = ("--username=doctor", "--auth=scram-sha-256", "--no-sync", "--no-locale", "--encoding=UTF8")


def binaries() -> Path | None:
    """Return the folder with the newest server that is installed, or None."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    return installed[-1].parent if installed else None


class Server:
    """Where the server is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.uri = f"postgresql://doctor:{PASSWORD}@127.0.0.1:{port}/postgres"
        self.shown = f"postgresql://doctor@127.0.0.1:{port}/postgres"

    def run(self, *statements: str, rows: tuple[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run statements that may write, put an Arrow table into a new table, and return the last answer."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.uri, autocommit=True) as connection, connection.cursor() as cursor:
            if rows is not None:
                cursor.adbc_ingest(*rows, mode="create")
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if statements and cursor.description else []


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it by its process id."""
    place = binaries()
    assert place is not None
    # initdb and the server refuse to run as root.
    name = next((name for name in ("postgres", "nobody") if _exists(name)), "nobody") if os.geteuid() == 0 else None
    as_user: dict[str, Any] = (
        {} if name is None else {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
    )
    folder = Path(tempfile.mkdtemp(prefix="doctor-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD, "utf-8")
        if name is not None:
            for path in (folder, folder / "password"):
                os.chown(path, pwd.getpwnam(name).pw_uid, pwd.getpwnam(name).pw_gid)
        data = folder / "data"
        made = subprocess.run(
            [place / "initdb", "--pgdata", data, *INITDB, "--pwfile", folder / "password"],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
            **as_user,
        )
        assert made.returncode == 0, made.stderr
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": port}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [place / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **as_user
            )
        try:
            _wait(process, port, folder / "log")
            yield Server(port)
        finally:
            process.send_signal(2)  # fast shutdown
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exists(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    server = Server(port)
    end = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            server.run("SELECT 1")
            return
        except Exception:
            assert process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < end, log.read_text("utf-8", "replace")
            time.sleep(0.05)
