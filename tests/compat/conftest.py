"""Two servers for the whole session: one with the real small model, one in front of a scripted provider."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from cloche.engine.catalogue import Catalogue, Model

from .live import ENDPOINT, MODEL, TOKEN, Live, in_front, playing
from .provider import Provider
from .strangers import Stranger


@pytest.fixture(scope="session")
def models_dir(models: Catalogue, model: Model) -> Path:
    """Where the default model's weights are."""
    return Path(model.path).parent.parent


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The scripted provider."""
    with playing(Provider()) as running:
        yield running


@pytest.fixture(scope="session")
def relaying(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server without a model of its own: an endpoint for each behaviour of the provider, under the same name."""
    folder = tmp_path_factory.mktemp("relaying")
    with in_front(folder, provider.endpoints()) as running:
        yield running


@pytest.fixture(scope="session")
def live(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the real model, under the name that the documentation's examples use."""
    server = Live(tmp_path_factory.mktemp("live"), "--endpoint", f"{ENDPOINT}={MODEL}", models=models_dir)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The clients read proxies, profiles and keys from their surroundings: here there are none."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def openai_client(live: Live) -> Iterator[OpenAI]:
    """The OpenAI client, set up as the documentation says, with its own retries."""
    with OpenAI(api_key=TOKEN, base_url=f"{live.url}/serving-endpoints") as client:
        yield client


@pytest.fixture
def relaying_client(relaying: Live) -> Iterator[OpenAI]:
    """The same in front of the scripted provider; it gives up at the first failure."""
    with OpenAI(api_key=TOKEN, base_url=f"{relaying.url}/serving-endpoints", max_retries=0) as client:
        yield client


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for the sockets of engines to be in a home below it."""
    with tempfile.TemporaryDirectory(prefix="cl-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def watched(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of two workers in front of the scripted provider, whose endpoints track their usage.  One has an
    inference table, and one falls back from an entity that fails."""
    folder = tmp_path_factory.mktemp("watched")
    tracked: dict[str, Any] = {"usage_tracking_config": {"enabled": True}}
    table = {"enabled": True, "catalog_name": "main", "schema_name": "logs", "table_name_prefix": "watched"}
    behaviours = {each["name"]: each | {"ai_gateway": tracked} for each in provider.endpoints()}
    behaviours["counted"] = behaviours["wordy"] | {"name": "counted"}
    behaviours["kept"] = behaviours["echo"] | {
        "name": "kept",
        "ai_gateway": tracked | {"inference_table_config": table},
    }
    entities = [behaviours[name]["config"]["served_entities"][0] for name in ("failing", "wordy")]
    shares = [
        {"served_entity_name": name, "traffic_percentage": share} for name, share in (("failing", 100), ("wordy", 0))
    ]
    config_of_two = {"served_entities": entities, "traffic_config": {"routes": shares}}
    rules = tracked | {"fallback_config": {"enabled": True}}
    config = folder / "endpoints.json"
    config.write_text(
        json.dumps([*behaviours.values(), {"name": "spared", "config": config_of_two, "ai_gateway": rules}])
    )
    running = Live(folder, "--config", str(config), "--no-default-endpoint", "--workers", "2")
    yield running
    running.stop()


@pytest.fixture
def stranger(watched: Live) -> Stranger:
    """A user of that server who has no level on anything yet."""
    return Stranger.of(watched)
