"""Starts and stops programs on chosen cores, in a bare environment, with their output in a file.

It must not know what the programs are: `running.py` does.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 5


@dataclass(frozen=True)
class Cores:
    """Which cores the gateway may use, and which the load and the fake provider."""

    gateway: frozenset[int]
    load: frozenset[int]


def all_cores() -> Cores:
    """Nothing pinned: everything may run where it likes."""
    here = frozenset(os.sched_getaffinity(0))
    return Cores(here, here)


def one_core_each() -> Cores:
    """The gateway alone on one core, everything else on the next; unpinned where there is only one."""
    here = sorted(os.sched_getaffinity(0))
    return Cores(frozenset(here[:1]), frozenset(here[1:2])) if len(here) > 1 else all_cores()


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """What is started inside inherits these cores from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def spawn(command: Sequence[str], home: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Starts `command` in `home`, with its output in `home`/output.log.

    The environment holds only what is given here, a PATH and a HOME: no proxy or tracing variable of the caller's
    may slow one gateway and not another.
    """
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    with (home / "output.log").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=home,
            env=bare | dict(env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and its session: politely, then not."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
