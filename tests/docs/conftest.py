"""One live server for every example of the documents, with the names that the documents use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cloche.engine.catalogue import Catalogue, Model

TOKEN = "dapi0123456789abcdef0123456789abcdef"
START_SECONDS = 90


class Live(NamedTuple):
    """Where the server is."""

    url: str
    token: str


@contextmanager
def serving(folder: Path, *flags: str, **surroundings: str) -> Iterator[Live]:
    """`cloche serve` with a home of its own, and nothing else of this shell, whose CLOCHE_ variables are not for it."""
    log = folder / "log"
    environ = {"PATH": os.environ["PATH"], "CLOCHE_HOME": str(folder / "cloche"), "CLOCHE_ADMIN_TOKEN": TOKEN}
    command = [sys.executable, "-m", "cloche", "serve", "--port", "0", *flags]
    with log.open("wb") as out:
        server = subprocess.Popen(command, env=environ | surroundings, cwd=folder, stdout=out, stderr=out)
    try:
        yield Live(_url(server, log), TOKEN)
    finally:
        server.terminate()
        assert server.wait(60) == 0


@pytest.fixture(scope="session")
def live(models: Catalogue, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """`cloche serve` with the endpoint of the examples; answers are short where an example sets no bound."""
    endpoint = "bedrock-chat-completions-endpoint=smollm2-135m-instruct"
    short = {"CLOCHE_MODELS_DIR": str(Path(model.path).parent.parent), "CLOCHE_MAX_TOKENS_DEFAULT": "48"}
    with serving(tmp_path_factory.mktemp("home"), "--endpoint", endpoint, **short) as running:
        yield running


def _url(server: subprocess.Popen[bytes], log: Path) -> str:
    """What the server says when it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        said = re.search(r"cloche is ready at (\S+)", log.read_text())
        if said:
            return said[1]
        time.sleep(0.1)
    server.kill()
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")
