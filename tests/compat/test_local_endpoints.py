"""Local models come and go by the API: loaded, replaced, refused, unloaded, and there again after a restart."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import OperationFailed
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from cloche.engine.catalogue import MANIFEST, WEIGHTS, Model

from .live import MODEL, PATIENCE, TOKEN, Live, chat, wait_until

pytestmark = pytest.mark.model

TWIN = "twin"
HOLLOW = "hollow"
LONG: dict[str, Any] = {"max_tokens": 200, "logit_bias": {"2": -100}}
"""The token that would end the answer is forbidden."""


@pytest.fixture(scope="module")
def stock(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of three: the default model, the same under another name, and one that does not load."""
    folder = tmp_path_factory.mktemp("stock")
    for name in (MODEL, TWIN):
        (folder / name).mkdir()
        os.symlink(model.path, folder / name / WEIGHTS)
        manifest = msgspec.structs.replace(model, name=name)
        (folder / name / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    (folder / HOLLOW).mkdir()
    (folder / HOLLOW / WEIGHTS).write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    manifest = msgspec.structs.replace(model, name=HOLLOW)
    (folder / HOLLOW / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return folder


@pytest.fixture(scope="module")
def server(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that serves nothing yet."""
    live = Live(tmp_path_factory.mktemp("empty"), "--no-default-endpoint", "--engine-context", "1024", models=stock)
    yield live
    live.stop()


@pytest.fixture
def workspace(server: Live) -> WorkspaceClient:
    """The SDK, in front of that server."""
    return client(server)


def client(live: Live) -> WorkspaceClient:
    """The SDK."""
    return WorkspaceClient(host=live.url, token=TOKEN)


def entity(model: str, *, name: str = "only", sleeps: bool = False) -> ServedEntityInput:
    """A served entity on a local model."""
    return ServedEntityInput(name=name, entity_name=model, entity_version="1", scale_to_zero_enabled=sleeps)


def create(live: Live, name: str, *entities: ServedEntityInput) -> None:
    """Make an endpoint and wait until it serves."""
    config = EndpointCoreConfigInput(name=name, served_entities=list(entities))
    client(live).serving_endpoints.create_and_wait(name, config=config)


def document(live: Live, name: str) -> Any:
    """An endpoint as the API shows it."""
    return live.request("GET", f"/api/2.0/serving-endpoints/{name}").json()


def deployment(live: Live, name: str) -> tuple[str, str]:
    """How the first entity of the active version is doing, and why."""
    state = document(live, name)["config"]["served_entities"][0]["state"]
    return state["deployment"], state["deployment_state_message"]


def logs(live: Live, name: str, kind: str) -> str:
    """The logs, or build-logs, of an endpoint's one entity."""
    answer = live.request("GET", f"/api/2.0/serving-endpoints/{name}/served-models/only/{kind}")
    assert answer.status == 200, answer
    return str(answer.json()["logs"])


def rest_of(stream: socket.socket) -> bytes:
    """What a stream still says, to its end."""
    said = b""
    while b"data: [DONE]" not in said:
        piece = stream.recv(65536)
        assert piece, said[-500:]
        said += piece
    return said


def retired(live: Live, model: str) -> bool:
    """Whether the engine of a model was let go because nobody named it any more."""
    return any(f"engine {model} is not needed any more" in str(each.get("message")) for each in live.log())


def test_an_endpoint_is_made_changed_and_removed(server: Live, workspace: WorkspaceClient) -> None:
    """A new configuration takes over when its model is loaded; streams of the old one and of a removed endpoint go on
    to their end, and then their engines go."""
    create(server, "changing", entity(MODEL))
    assert server.ask("changing").headers["served-model-name"] == "only"
    with server.open_stream("changing", **LONG) as stream:
        updated = workspace.serving_endpoints.update_config_and_wait("changing", served_entities=[entity(TWIN)])
        assert updated.config is not None
        assert (updated.config.config_version, updated.pending_config) == (2, None)
        assert server.ask("changing").status == 200
        assert b'"finish_reason":"length"' in rest_of(stream)
    wait_until(lambda: retired(server, MODEL), "the end of the first engine")
    assert "starting the engine for twin" in logs(server, "changing", "build-logs")
    assert "engine ready" in logs(server, "changing", "logs")
    with server.open_stream("changing", **LONG) as stream:
        workspace.serving_endpoints.delete("changing")
        assert server.ask("changing").status == 404
        assert b'"finish_reason":"length"' in rest_of(stream)
    wait_until(lambda: retired(server, TWIN), "the end of the second engine")
    wait_until(lambda: list((server.home / "run").iterdir()) == [], "their folders")


def test_a_model_that_does_not_load_does_not_replace_one_that_does(server: Live, workspace: WorkspaceClient) -> None:
    """The update fails with the engine's words in the state and the build log, and the version before serves."""
    create(server, "steady", entity(MODEL))
    with pytest.raises(OperationFailed):
        workspace.serving_endpoints.update_config_and_wait("steady", served_entities=[entity(HOLLOW)])
    shown = document(server, "steady")
    assert shown["state"] == {"ready": "READY", "config_update": "UPDATE_FAILED"}
    assert shown["config"]["config_version"] == 1
    state = shown["pending_config"]["served_entities"][0]["state"]
    assert state["deployment"] == "DEPLOYMENT_FAILED"
    assert "The engine for hollow did not start" in state["deployment_state_message"]
    assert "failed: The engine for hollow did not start" in logs(server, "steady", "build-logs")
    assert server.ask("steady").status == 200
    unknown = server.request("GET", "/api/2.0/serving-endpoints/steady/served-models/none/logs")
    assert (unknown.status, unknown.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    # It can be mended by another update.
    workspace.serving_endpoints.update_config_and_wait("steady", served_entities=[entity(MODEL, name="mended")])
    assert server.ask("steady").headers["served-model-name"] == "mended"
    workspace.serving_endpoints.delete("steady")


def test_a_new_endpoint_that_cannot_serve_says_why(server: Live, workspace: WorkspaceClient) -> None:
    """An endpoint whose first version does not load is there, not ready, and its callers are told the reason."""
    with pytest.raises(OperationFailed):
        create(server, "stillborn", entity(HOLLOW))
    assert document(server, "stillborn")["state"] == {"ready": "NOT_READY", "config_update": "UPDATE_FAILED"}
    refused = server.ask("stillborn")
    assert refused.status == 400
    assert "The engine for hollow did not start" in refused.json()["message"]
    workspace.serving_endpoints.delete("stillborn")


def test_an_idle_model_is_unloaded_and_everything_is_back_after_a_restart(stock: Path, short_path: Path) -> None:
    """A model that may scale to zero leaves memory and is loaded for the next call; a server that was killed leaves
    nothing that hinders the next one, which serves what this one served."""
    flags = ("--no-default-endpoint", "--engine-idle-seconds", "1", "--engine-context", "1024")
    first = Live(short_path, *flags, models=stock)
    try:
        create(first, "sleepy", entity(MODEL, sleeps=True))
        create(first, "awake", entity(TWIN))
        wait_until(lambda: "scaled to zero" in deployment(first, "sleepy")[1], "the sleep")
        assert deployment(first, "sleepy")[0] == "DEPLOYMENT_READY"
        assert document(first, "sleepy")["state"]["ready"] == "READY"
        assert len(list((first.home / "run").iterdir())) == 1
        assert first.ask("sleepy").status == 200
        assert first.ask("awake").status == 200
        refuse_a_second(first)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    finally:
        first.stop()
    left = {each.name for each in (first.home / "run").iterdir()}
    assert left
    second = Live(short_path, *flags, models=stock)
    try:
        wait_until(lambda: second.ask("awake").status == 200, "the return")
        wait_until(lambda: second.ask("sleepy").status == 200, "the return")
        assert not left & {each.name for each in (second.home / "run").iterdir()}
    finally:
        second.stop()


def refuse_a_second(live: Live) -> None:
    """Another server for the same home does not come up, and says who has it."""
    command = [sys.executable, "-m", "cloche", "serve", "--port", "0", "--no-default-endpoint"]
    done = subprocess.run(command, env=live.environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert f"is in use by the process {live.process.pid}" in done.stderr


def test_only_what_is_declared_stops_a_start(stock: Path, tmp_path: Path) -> None:
    """A declared endpoint that cannot serve ends the start with its reason; left out, it is there and not ready, and
    the others are served."""
    told = {"CLOCHE_HOME": str(tmp_path / "home"), "CLOCHE_MODELS_DIR": str(stock), "CLOCHE_ADMIN_TOKEN": TOKEN}
    command = [sys.executable, "-m", "cloche", "serve", "--port", "0", "--endpoint", f"bad={HOLLOW}"]
    done = subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | told,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "endpoint 'bad': served entity 'hollow': The engine for hollow did not start" in done.stderr
    assert "ready" not in done.stdout
    live = Live(tmp_path, models=stock)
    try:
        assert live.ask(MODEL).status == 200
        assert document(live, "bad")["state"]["ready"] == "NOT_READY"
        assert json.loads(live.request("POST", "/serving-endpoints/bad/invocations", chat()).body)["error_code"]
    finally:
        live.stop()
