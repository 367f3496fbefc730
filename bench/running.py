"""The fake provider and the gateways while they run: started, awaited until they answer, stopped.

Cold start is measured here: from the start of the process to the first 200.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import gateways, meters
from bench.calls import Call, Target
from bench.gateways import Gateway
from bench.native.building import built
from bench.processes import Cores, free_port, on, spawn, stop

START_LIMIT_S = 90
LOOK_AGAIN_S = 0.005
SETTLE_S = 1.0


class NotRun(Exception):
    """A gateway did not come up; the message is the reason."""


@dataclass(frozen=True)
class Running:
    """A gateway that answers."""

    gateway: Gateway
    process: subprocess.Popen[bytes]
    target: Target
    start_s: float
    idle: meters.Memory


@contextmanager
def provider(cores: Cores) -> Iterator[int]:
    """The fake provider; yields its port."""
    with on(cores.load):
        process = subprocess.Popen([str(built("provider"))], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


def direct(provider_port: int) -> Target:
    """The provider itself, as calls without a gateway reach it."""
    return Target(provider_port, "/v1/chat/completions", "chat", {"Authorization": "Bearer sk-upstream-key"})


@contextmanager
def gateway(row: Gateway, provider_port: int, folder: Path, cores: Cores) -> Iterator[Running]:
    """A gateway that has given its first answer.  Raises NotRun."""
    home = folder / row.name
    home.mkdir()
    words = _words(row, provider_port, home)
    command = _found([gateways.filled(part, words) for part in row.command])
    env = {name: gateways.filled(value, words) for name, value in row.env.items()}
    began = time.monotonic()
    with on(cores.gateway):
        process = spawn(command, home, env)
    try:
        target = _await_answer(row, process, words, began)
        start_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        yield Running(row, process, target, start_s, meters.memory_of(process.pid))
    finally:
        stop(process)


def _found(command: list[str]) -> list[str]:
    """The command with its program's full path: the bare environment of gateways knows fewer folders than ours."""
    program = shutil.which(command[0])
    if program is None:
        raise NotRun(f"there is no {command[0]} here")
    return [program, *command[1:]]


def _words(row: Gateway, provider_port: int, home: Path) -> dict[str, str]:
    program = row.found_program() if row.program else None
    words = {
        "python": sys.executable,
        "program": str(program),
        "bin": str(program.parent) if program else "",
        "bench": str(gateways.HERE),
        "conf": str(home / row.conf),
        "home": str(home),
        "port": str(free_port()),
        "port2": str(free_port()),
        "upstream": f"127.0.0.1:{provider_port}",
        "upstream_host": "127.0.0.1",
        "upstream_port": str(provider_port),
        "token": gateways.TOKEN,
    }
    if row.conf:
        (home / row.conf).write_text(gateways.filled((gateways.HERE / "conf" / row.conf).read_text(), words))
    return words


def _await_answer(row: Gateway, process: subprocess.Popen[bytes], words: dict[str, str], began: float) -> Target:
    headers = {name: gateways.filled(value, words) for name, value in row.headers.items()}
    port, said = int(words["port"]), "nothing"
    while time.monotonic() - began < START_LIMIT_S:
        if row.own_port:
            port = _announced_port(Path(words["home"]) / "url")
        target = Target(port, row.path, row.model, headers)
        said = _first_line(target) if port else said
        if said.startswith("HTTP/1.1 200"):
            return target
        if process.poll() is not None:
            raise NotRun(f"ended with {process.returncode}: {_last_words(Path(words['home']))}")
        time.sleep(LOOK_AGAIN_S)
    raise NotRun(f"no 200 within {START_LIMIT_S} s, but {said!r}: {_last_words(Path(words['home']))}")


def _announced_port(url: Path) -> int:
    return (urlsplit(url.read_text()).port or 0) if url.exists() else 0


def _first_line(target: Target) -> str:
    try:
        with socket.create_connection(("127.0.0.1", target.port), timeout=10) as connection:
            connection.sendall(target.request(Call()))
            return connection.recv(4096).partition(b"\r\n")[0].decode("latin-1")
    except OSError as problem:
        return str(problem)


def _last_words(home: Path) -> str:
    lines = (home / "output.log").read_text(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"
