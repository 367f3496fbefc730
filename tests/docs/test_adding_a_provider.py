"""The guide to adding a provider is followed literally: what it writes down is all that a new provider takes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from compat.live import playing

from .conftest import Live, serving
from .pages import ROOT, Block, blocks

GUIDE = blocks(ROOT / "docs" / "providers" / "adding-one.md")


class Parrot(ThreadingHTTPServer):
    """A service that speaks the guide's dialect: it repeats the last words.  `asked`: key and body of each call."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str | None, dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    """One call."""

    server: Parrot

    def do_POST(self) -> None:
        """Repeat, in one piece or word by word."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.headers["authorization"], asked))
        assert self.path == "/speak"
        said = asked["say"][-1]["words"].split()
        words = said[: asked.get("length", 99)]
        end = {
            "ended": "finished" if words == said else "out of breath",
            "counted": {"heard": len(said), "spoken": len(words)},
        }
        pieces = [{"words": f"{word} "} for word in words] if asked["live"] else []
        whole = {"words": "" if asked["live"] else "".join(f"{word} " for word in words)}
        self.send_response(200)
        self.end_headers()
        for piece in [*pieces, whole | end]:
            data = json.dumps(piece).encode()
            self.wfile.write(b"data: %b\n\n" % data if asked["live"] else data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def parrot() -> Iterator[Parrot]:
    """The service."""
    with playing(Parrot()) as running:
        yield running


def code(language: str, beginning: str) -> Block:
    """The guide's only block of code that begins so."""
    [found] = [each for each in GUIDE if each.language == language and each.code.startswith(beginning)]
    return found


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of cloche to which the guide has been applied: one file, and one row with its import."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "src" / "cloche", folder / "cloche", ignore=shutil.ignore_patterns("__pycache__"))
    providers = folder / "cloche" / "providers"
    (providers / "parrot.py").write_text(code("python", '"""Parrot').code, encoding="utf-8")
    catalogue = (providers / "catalogue.py").read_text(encoding="utf-8")
    for place, added in (("    palm,\n", "    parrot,\n"), ('        "palm": ', code("python", '"parrot": ').code)):
        assert catalogue.count(place) == 1
        catalogue = catalogue.replace(place, f"{added}{place}")
    (providers / "catalogue.py").write_text(catalogue, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(package: Path, parrot: Parrot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The copy, with the guide's endpoint in front of the service."""
    folder = tmp_path_factory.mktemp("bird")
    endpoint = code("yaml", "- name: bird").code
    assert "http://127.0.0.1:9" in endpoint
    port = parrot.server_address[1]
    (folder / "bird.yaml").write_text(endpoint.replace("http://127.0.0.1:9", f"http://127.0.0.1:{port}"))
    with serving(folder, "--config", "bird.yaml", "--no-default-endpoint", PYTHONPATH=str(package)) as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[OpenAI]:
    """The OpenAI client."""
    with OpenAI(api_key=server.token, base_url=f"{server.url}/serving-endpoints", max_retries=0) as made:
        yield made


MESSAGES: Any = [{"role": "user", "content": "pieces of eight"}]


def test_the_guides_provider_answers_whole(client: OpenAI, parrot: Parrot) -> None:
    """Words, finish reason, usage and the report are those of a chat completion; the key has reached the service."""
    raw = client.chat.completions.with_raw_response.create(model="bird", messages=MESSAGES, max_tokens=2, seed=1)
    answer = raw.parse()
    assert answer.choices[0].message.content == "pieces of "
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)
    assert raw.headers["cloche-translation"] == "mapped=messages,max_tokens; dropped=seed"
    key, asked = parrot.asked[-1]
    assert (key, asked["voice"]) == ("Bearer example", "grey")


def test_the_guides_provider_streams(client: OpenAI) -> None:
    """A stream says the same word by word and ends with the usage; several choices are several calls."""
    raw = client.chat.completions.with_raw_response.create(model="bird", messages=MESSAGES, n=2, stream=True)
    assert raw.headers["cloche-translation"] == "emulated=n; mapped=messages"
    texts, finishes, usage = {0: "", 1: ""}, [], None
    for chunk in raw.parse():
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert (texts, finishes) == ({0: "pieces of eight ", 1: "pieces of eight "}, ["stop", "stop"])
    assert usage is not None
    assert usage.completion_tokens == 6


def test_the_guides_provider_refuses_in_place_of_dropping(client: OpenAI) -> None:
    """Strict callers are refused by it as by any other."""
    strict = {"cloche-strict-params": "true"}
    with pytest.raises(BadRequestError, match="parrot has nothing like it"):
        client.chat.completions.create(model="bird", messages=MESSAGES, seed=1, extra_headers=strict)


def test_the_guides_provider_is_shown(package: Path) -> None:
    """The command line knows its settings and the fates of fields without being told of it."""
    done = subprocess.run(
        [sys.executable, "-m", "cloche", "provider", "show", "parrot", "--json"],
        env={"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert [each["name"] for each in told["settings"]] == ["parrot_api_key", "parrot_api_base"]
    fields = {each["field"]: each["models"]["grey"]["word"] for each in told["fields"]}
    assert (fields["messages"], fields["seed"], fields["n"]) == ("mapped", "dropped", "emulated")
    assert told["finish_reasons"] == {"finished": "stop", "out of breath": "length"}
