"""Every example of the documents does what it seems to do: code runs against a live server, files are accepted."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
import yaml

from cloche import settings
from cloche.cli.main import app
from cloche.control.declared import Declared, declared_endpoints
from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.control.secret_references import with_values
from cloche.providers.catalogue import PROVIDERS
from cloche.wire.serving_reading import read_endpoint

from .conftest import Live
from .pages import Block, blocks, pages

TRANSLATED = "README.ja.md"  # its code is the README's, which test_links.py sees to
RUNS = ("python", "bash")
SECONDS = 60

BLOCKS = [block for page in pages() if page.name != TRANSLATED for block in blocks(page)]
EXAMPLES = [block for block in BLOCKS if block.language in RUNS and block.mark != "not run"]
MODELS = [block for block in BLOCKS if block.language == "yaml" and block.code.startswith("external_model:")]
FILES = [block for block in BLOCKS if block.mark == "file"]
COMMANDS = [block for block in BLOCKS if block.language == "bash" and "cloche " in block.code]


def ids(block: Block) -> str:
    """A block's place as the name of its test."""
    return block.label


@pytest.mark.model
@pytest.mark.parametrize("example", EXAMPLES, ids=ids)
def test_example_runs(example: Block, live: Live, tmp_path: Path) -> None:
    """The example ends well and prints something, with only host and token put in."""
    code = example.code.replace("http://127.0.0.1:8080", live.url).replace("dapi-your-token", live.token)
    command = [sys.executable, "-c", code] if example.language == "python" else ["bash", "-euo", "pipefail", "-c", code]
    done = subprocess.run(
        command,
        check=False,
        env=surroundings(live, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), done.stderr


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_file_is_accepted(file: Block, tmp_path: Path) -> None:
    """A file of settings or endpoints can be used as it is shown."""
    path = tmp_path / file.told
    path.write_text(file.code, encoding="utf-8")
    if path.suffix == ".toml":
        settings.load({"home": str(tmp_path)}, {})
        return
    endpoints = declared_endpoints(Declared(path, {})).endpoints
    for entity in (entity for endpoint in endpoints for entity in endpoint.configuration.entities):
        model = entity.external_model
        if model is not None:
            known = with_values(model.settings, "", lambda _reference, _path: "example")
            PROVIDERS[model.provider].bind(msgspec.structs.replace(model, settings=known))


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_external_model_is_accepted(model: Block) -> None:
    """An external model can be declared as a provider's page shows it."""
    whole = {"name": "shown", "config": {"served_entities": [yaml.safe_load(model.code)]}}
    read_endpoint(whole, PROVIDER_FORMS)


@pytest.mark.parametrize("block", COMMANDS, ids=ids)
def test_flags_exist(block: Block) -> None:
    """Commands that are shown, run here or not, have every flag that they are shown with."""
    for line in block.code.replace("\\\n", " ").splitlines():
        found = re.search(r"\bcloche (?!is )[a-z-].*", line)
        if found is not None:
            words = shlex.split(found[0].partition(" | ")[0], comments=True)[1:]
            unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in flags(words)]
            assert unknown == [], line


def test_what_is_not_run_says_why() -> None:
    """Code in a language that is not run here bears a reason; so does every example that is left out."""
    silent = [block.label for block in BLOCKS if block.language in ("ts", "js") and block.mark != "not run"]
    short = [block.label for block in BLOCKS if block.mark == "not run" and len(block.told.split()) < 3]
    assert silent + short == []


def flags(words: list[str]) -> set[str]:
    """Every flag of the command that the words begin with."""
    command: Any = typer.main.get_command(app())
    for word in words:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]
    return {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)} | {"--help"}


def surroundings(live: Live, home: Path) -> dict[str, str]:
    """What an example finds around it: the programs of this environment, a home of its own, server and token."""
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TMPDIR", "SSL_CERT_FILE")}
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "DATABRICKS_HOST": live.url,
        "DATABRICKS_TOKEN": live.token,
    }
