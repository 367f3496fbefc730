"""What is declared at start is read whole: every fault of every place is told at once, with its file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cloche.control.declared import Declared, InvalidConfiguration, declared_endpoints

MODEL = {
    "name": "gpt-4",
    "provider": "openai",
    "task": "llm/v1/chat",
    "openai_config": {"openai_api_key_plaintext": "sk-canary"},
}
BODY: dict[str, Any] = {"name": "chat", "config": {"served_entities": [{"external_model": MODEL}]}}


def written(folder: Path, value: object) -> Path:
    """A file that declares something."""
    path = folder / "endpoints.json"
    path.write_text(json.dumps(value, indent=1))
    return path


def test_files_and_settings_declare_endpoints(tmp_path: Path) -> None:
    """Bodies of a file come first, then models by name, of whose properties nothing is said but that their usage is
    tracked at first."""
    found = declared_endpoints(Declared(written(tmp_path, {"endpoints": [BODY]}), {"own": "small.v1"})).endpoints
    assert [each.name for each in found] == ["chat", "own"]
    assert found[0].properties is not None
    assert found[1].properties is None
    assert found[1].at_first.ai_gateway == {"usage_tracking_config": {"enabled": True}}
    assert found[1].configuration.entities[0].name == "small-v1"
    assert declared_endpoints(Declared(None, {})).endpoints == []


def test_every_fault_is_told_with_its_place(tmp_path: Path) -> None:
    """Faults of several bodies are told together, each with file, line and field path, and without credentials."""
    wrong = {"name": "b", "config": {"served_entities": [{"external_model": MODEL | {"provider": "nobody"}}]}, "x": 1}
    path = written(tmp_path, [BODY, wrong, BODY, BODY | {"name": "own"}])
    with pytest.raises(InvalidConfiguration) as caught:
        declared_endpoints(Declared(path, {"own": "m"}))
    told = caught.value.problems
    assert len(told) == 4
    assert all(line.startswith(f"{path}:") for line in told)
    assert "[1].x: there is no such field" in told[0]
    assert "'nobody' is not supported" in told[1]
    assert "'chat' is declared already, in a file" in told[2]
    assert "'own' is declared already, in the settings" in told[3]
    assert "sk-canary" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A file that is not there, or says nothing that can be taken, is a fault like any other."""
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        declared_endpoints(Declared(tmp_path / "none.json", {}))
    with pytest.raises(InvalidConfiguration, match="must be an object"):
        declared_endpoints(Declared(written(tmp_path, [5]), {}))


def test_a_later_fault_is_told_with_its_place(tmp_path: Path) -> None:
    """What is found when the endpoints are applied is told at the file's line, or by the name that a setting gave."""
    found = declared_endpoints(Declared(written(tmp_path, [BODY]), {"own": "small"}))
    field = "config.served_entities[0].external_model.openai_config.openai_api_key"
    assert found.told(0, field, "wrong").startswith(f"{tmp_path / 'endpoints.json'}:11: [0].{field}: wrong")
    older = written(tmp_path, {"name": "chat", "config": {"served_models": [{"model_name": "small"}]}})
    told = declared_endpoints(Declared(older, {})).told(0, "config.served_entities[0].entity_name", "wrong")
    assert told == f"{older}:6: config.served_models[0].model_name: wrong"
    assert found.told(1, "config.served_entities[0].entity_name", "wrong") == "endpoint 'own': wrong"
