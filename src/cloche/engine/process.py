"""One run of the child process: started, ready, ended.  Whether to start another is `supervisor.py`'s to decide.

The child gets a fresh environment: it parses files from strangers in native code, so the gateway's secrets have no
business there.  Its standard input stays open for as long as it may live.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from cloche.domain.errors import InternalError
from cloche.engine import probe
from cloche.engine.child import ChildOptions, Report

LOAD_SECONDS = 600.0
"""A model of many gigabytes on a slow disk takes minutes."""

STOP_SECONDS = 3.0
KEPT_LINES = 20


class EngineFailed(InternalError):
    """The engine did not come up; the message holds what it last said.  For the operator, not for callers."""


class Child:
    """A child process that has shown that it can generate.  `heard`: told what it says until then."""

    def __init__(self, process: Process, name: str, heard: Callable[[str], None]) -> None:
        self.pid = process.pid
        self._heard: Callable[[str], None] | None = heard
        self._process = process
        self._name = name
        self._stderr: deque[str] = deque(maxlen=KEPT_LINES)
        self._listener = asyncio.create_task(self._listen(), name=f"engine {name} stderr")

    @classmethod
    async def start(cls, options: ChildOptions, heard: Callable[[str], None]) -> Child:
        """Spawn a child and wait until it has made its first token.  Raises EngineFailed."""
        _clear(options.socket_path)
        command = (sys.executable, "-P", "-m", "cloche.engine.child")
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=_environment(), start_new_session=True
            )
        except OSError as error:
            raise EngineFailed(f"The engine for {options.alias} cannot be started: {error}.") from error
        child = cls(process, options.alias, heard)
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                await child._come_up(options)
        except (OSError, ValueError, TimeoutError) as error:
            await child.end(signal.SIGKILL)
            raise EngineFailed(child._last_words(error)) from error
        except BaseException:
            await child.end(signal.SIGKILL)
            raise
        child._heard = None
        return child

    async def wait(self) -> str:
        """Wait for the end of the process; returns how it ended, in words."""
        status = await self._process.wait()
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exited with status {status}"

    async def end(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        """End the process, after three seconds with SIGKILL.  Harmless when it has ended already."""
        self._signal(signal_number)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()
        await self._listener

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                pass  # it ended a moment ago

    async def _come_up(self, options: ChildOptions) -> None:
        """Raises OSError or ValueError, which msgspec's errors are, if the child does not."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(msgspec.json.encode(options) + b"\n")
        await stdin.drain()
        line = await stdout.readline()
        if not line:
            raise ValueError("it ended without a word")
        report = msgspec.json.decode(line, type=Report)
        if report.error is not None:
            raise ValueError(report.error)
        await probe.generate_one_token(options.socket_path, options.api_key)

    async def _listen(self) -> None:
        """Keep the last lines of standard error.

        They are shown only for a child that did not come up: later ones might quote a caller's text.
        """
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            said = line.decode("utf-8", "replace").rstrip()
            self._stderr.append(said)
            if self._heard is not None:
                self._heard(said)

    def _last_words(self, error: Exception) -> str:
        why = f"it was not ready after {LOAD_SECONDS:g} s" if isinstance(error, TimeoutError) else str(error)
        return "\n  ".join((f"The engine for {self._name} did not start: {why}", *self._stderr))


def _clear(socket_path: str) -> None:
    """The engine refuses to listen where a killed one has left its socket."""
    Path(socket_path).unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """Modules are found where we find them; idle threads sleep, because spinning ones would starve the gateway."""
    return {"OMP_WAIT_POLICY": "passive", "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
