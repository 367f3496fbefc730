"""Endpoints as files: what is sent, what is said of it, and that a live server takes back what it gave."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import COMMAND, Run, Stage

PATH = "/api/2.0/cloche/configuration"
CREATE = {"name": "new", "action": "create", "diff": []}
UPDATE = {
    "name": "small",
    "action": "update",
    "diff": [
        {"path": "description", "before": None, "after": "words"},
        {"path": "config.served_entities[e].external_model.name", "before": "a", "after": "b" * 99},
    ],
}
DELETE = {"name": "old", "action": "delete", "diff": []}
SAME = {"name": "still", "action": "unchanged", "diff": []}

FILE = "name: small\nconfig:\n  served_entities:\n  - entity_name: m\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with one endpoint."""
    path = tmp_path / "small.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def queries(stage: Stage) -> list[str]:
    """The query of each change that was asked for."""
    return [path.removeprefix(PATH) for method, path, _ in stage.asked if method == "PUT"]


def test_apply_sends_the_files_and_tells_what_changed(run: Run, stage: Stage, file: str) -> None:
    """The bodies go in one request, and each change is a line; of an update the paths and both sides are shown."""
    stage.changes = [CREATE, UPDATE, DELETE, SAME]
    done = run("apply", "-f", file, "--no-wait")
    assert (done.returncode, done.stderr) == (0, "1 create, 1 update, 1 delete, 1 unchanged\n")
    assert done.stdout.splitlines() == [
        "+ create     new",
        "~ update     small",
        '    description: nothing -> "words"',
        f'    config.served_entities[e].external_model.name: "a" -> "{"b" * 59}…',
        "- delete     old",
        "= unchanged  still",
    ]
    assert stage.asked == [("PUT", PATH, {"endpoints": [yaml.safe_load(FILE)]})]


def test_dry_run_changes_nothing(run: Run, stage: Stage, file: str) -> None:
    """`--dry-run` asks for the plan alone, and waits for nothing."""
    stage.changes = [CREATE]
    assert run("apply", "-f", file, "--dry-run", "--prune").returncode == 0
    assert queries(stage) == ["?dry_run=true&prune=true"]
    assert len(stage.asked) == 1


@pytest.mark.parametrize("typed", ["", "\n", "2\n", "yes\n"])
def test_deleting_must_be_confirmed(run: Run, stage: Stage, file: str, typed: str) -> None:
    """Whoever does not type the count of what would go, or cannot, changes nothing."""
    stage.changes = [DELETE]
    done = run("apply", "-f", file, "--prune", stdin=typed)
    assert done.returncode == 2
    assert "Type 1 to delete old:" in done.stderr
    assert "nothing was changed" in done.stderr
    assert queries(stage) == ["?dry_run=true&prune=true"]


@pytest.mark.parametrize(
    ("flags", "typed", "asked"),
    [([], "1\n", ["?dry_run=true&prune=true", "?prune=true"]), (["--yes"], "", ["?prune=true"])],
)
def test_confirmed_deletions_are_made(
    run: Run, stage: Stage, file: str, flags: list[str], typed: str, asked: list[str]
) -> None:
    """The right count, or `--yes`, lets the deletions through."""
    stage.changes = [DELETE]
    assert run("apply", "-f", file, "--prune", *flags, stdin=typed).returncode == 0
    assert queries(stage) == asked


def test_faults_of_the_server_are_told_at_their_lines(run: Run, stage: Stage, file: str) -> None:
    """Every fault that the server names becomes file, line and field path."""
    stage.faults = [
        {"field": "endpoints[0].config.served_entities[0].entity_name", "description": "no such model"},
        {"field": "endpoints[0].name", "description": "is taken"},
    ]
    for command in ("apply", "diff"):
        done = run(command, "-f", file)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            f"cloche: {file}:4: config.served_entities[0].entity_name: no such model",
            f"cloche: {file}:1: name: is taken",
        ]


def test_faults_of_the_files_are_told_before_anything_is_sent(run: Run, stage: Stage, file: str) -> None:
    """A file that cannot be read reaches no server."""
    Path(file).write_text("name: [\n", encoding="utf-8")
    for command in (("apply",), ("diff",), ("endpoint", "create")):
        done = run(*command, "-f", file)
        assert done.returncode == 2
        assert done.stderr.startswith(f"cloche: {file}:2: is no YAML: ")
    assert stage.asked == []


@pytest.mark.parametrize(("changes", "code"), [([SAME], 0), ([], 0), ([SAME, CREATE], 1), ([DELETE], 1)])
def test_diff_ends_like_diff(run: Run, stage: Stage, file: str, changes: list[Any], code: int) -> None:
    """0: no difference; 1: some; and nothing is changed in either case."""
    stage.changes = changes
    assert run("diff", "-f", file).returncode == code
    assert json.loads(run("diff", "-f", file, "--json").stdout) == changes
    assert set(queries(stage)) == {"?dry_run=true"}


def test_diff_that_cannot_tell_does_not_say_that_there_are_differences(run: Run, stage: Stage, file: str) -> None:
    """What fails never ends with 1."""
    assert run("diff", "-f", file, CLOCHE_URL="http://127.0.0.1:1").returncode == 5
    assert run("diff", "-f", file, CLOCHE_TOKEN="other").returncode == 3
    stage.mode = "error"
    done = run("diff", "-f", file)
    assert (done.returncode, done.stderr) == (2, "cloche: RESOURCE_CONFLICT: another change is under way\n")


def state(ready: str, update: str, message: str = "") -> dict[str, Any]:
    """An endpoint's document as far as waiting reads it."""
    deployment = {"deployment": "DEPLOYMENT_FAILED" if message else "DEPLOYMENT_READY"}
    entities = [{"name": "e", "state": deployment | {"deployment_state_message": message}}]
    return {"name": "slow", "state": {"ready": ready, "config_update": update}, "config": {"served_entities": entities}}


def test_apply_waits_until_all_is_ready(run: Run, stage: Stage, file: str) -> None:
    """It looks again until the new configuration serves."""
    stage.changes = [CREATE | {"name": "slow"}, DELETE]
    stage.states = [state("NOT_READY", "IN_PROGRESS"), state("READY", "IN_PROGRESS"), state("READY", "NOT_UPDATING")]
    done = run("apply", "-f", file)
    assert (done.returncode, done.stderr) == (0, "1 create, 1 delete\nready: slow\n")
    assert len(stage.asked) == 4


def test_an_old_failure_is_no_failure_of_what_is_unchanged(run: Run, stage: Stage, file: str) -> None:
    """Files that say what serves already end well after a failed update, but an update under way that fails counts."""
    stage.changes = [SAME | {"name": "slow"}]
    stage.states = [state("READY", "UPDATE_FAILED", "broken")]
    assert run("apply", "-f", file).returncode == 0
    stage.states = [state("READY", "IN_PROGRESS"), state("READY", "UPDATE_FAILED", "broken")]
    assert run("apply", "-f", file).returncode == 1
    stage.changes = [UPDATE | {"name": "slow"}]
    assert run("apply", "-f", file).returncode == 1


def test_waiting_tells_why_an_endpoint_failed(run: Run, stage: Stage) -> None:
    """A failed update ends the wait, and an endpoint that takes too long does, both with what its entity says."""
    stage.states = [state("READY", "UPDATE_FAILED", "the weights are broken")]
    done = run("endpoint", "wait", "small", "slow")
    assert (done.returncode, done.stderr) == (1, "ready: small\ncloche: endpoint 'slow': e: the weights are broken\n")
    stage.states = [state("NOT_READY", "NOT_UPDATING", "loading")]
    done = run("endpoint", "wait", "slow", "--timeout", "1")
    assert (done.returncode, done.stderr) == (
        1,
        "cloche: endpoint 'slow' is not ready after 1 seconds: e: loading\n",
    )


def test_create_takes_one_endpoint(run: Run, stage: Stage, file: str) -> None:
    """A file with two is for `apply`."""
    Path(file).write_text(f"{FILE}---\n{FILE}", encoding="utf-8")
    done = run("endpoint", "create", "-f", file)
    assert (done.returncode, done.stderr) == (
        2,
        f"cloche: {file}: holds 2 endpoints, not one: use `cloche apply`\n",
    )
    assert stage.asked == []


# ---------------------------------------------------------------- a live server


LIVE_TOKEN = "dapi0123456789abcdef0123456789abcdef"
ENDPOINTS = """
endpoints:
- name: team-chat
  description: "on: yes"
  tags: [{key: team, value: "007"}, {key: words, value: "Glasglocke \\x85 \\u2028 \\u9418"}]
  config:
    served_entities:
    - name: first
      external_model: &model
        name: gpt-4o-mini
        provider: openai
        task: llm/v1/chat
        openai_config: {openai_api_base: "http://127.0.0.1:9/v1", openai_api_key_plaintext: sk-canary-2718281828}
    - name: second
      external_model: *model
    traffic_config:
      routes:
      - {served_entity_name: first, traffic_percentage: 90}
      - {served_entity_name: second, traffic_percentage: 10}
- name: private
  config:
    served_entities:
    - name: only
      external_model:
        name: qwen
        provider: custom
        task: llm/v1/chat
        custom_provider_config:
          custom_provider_url: http://127.0.0.1:9/v1
          bearer_token_auth: {token_plaintext: canary-3141592653}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server without any endpoint, as the variables that lead to it."""
    home = tmp_path_factory.mktemp("live")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environ = kept | {"HOME": str(home), "CLOCHE_HOME": str(home / "home"), "CLOCHE_ADMIN_TOKEN": LIVE_TOKEN}
    log = home / "log"
    with log.open("wb") as out:
        command = [*COMMAND, "serve", "--port", "0", "--no-default-endpoint"]
        server = subprocess.Popen(command, env=environ, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while (said := re.search(r"cloche is ready at (\S+)", log.read_text())) is None:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield {"CLOCHE_URL": said[1], "CLOCHE_TOKEN": LIVE_TOKEN}
    finally:
        server.terminate()
        server.wait(60)


def test_a_server_takes_back_what_it_gave(run: Run, live: dict[str, str], tmp_path: Path) -> None:
    """Applied, exported, applied again: nothing changes, in YAML and JSON, and no credential comes out."""
    file = tmp_path / "all.yaml"
    file.write_text(ENDPOINTS, encoding="utf-8")
    made = run("apply", "-f", str(file), "--prune", "--yes", **live)
    assert (made.returncode, made.stdout) == (0, "+ create     team-chat\n+ create     private\n"), made.stderr
    assert run("apply", "-f", str(file), **live).stdout == "= unchanged  team-chat\n= unchanged  private\n"
    for name in ("out.yaml", "out.json"):
        done = run("export", "-o", str(tmp_path / name), **live)
        assert done.returncode == 0, done.stderr
        text = (tmp_path / name).read_text()
        assert "canary" not in text
        assert text.startswith("{") == (name != "out.yaml")
        again = run("diff", "-f", str(tmp_path / name), "--prune", **live)
        assert (again.returncode, again.stderr) == (0, "2 unchanged\n"), again.stdout
    assert run("export", "--format", "json", **live).stdout == (tmp_path / "out.json").read_text()
    assert yaml.safe_load(run("export", **live).stdout) == json.loads((tmp_path / "out.json").read_text())


def test_a_change_is_one_version_that_can_be_taken_back(run: Run, live: dict[str, str], tmp_path: Path) -> None:
    """An update says what it changes, makes a version, and a rollback makes another one that equals the first."""
    file = tmp_path / "one.yaml"
    file.write_text(ENDPOINTS.replace("private", "turned"), encoding="utf-8")
    assert run("apply", "-f", str(file), **live).returncode == 0
    file.write_text(ENDPOINTS.replace("private", "turned").replace("qwen", "llama"), encoding="utf-8")
    done = run("diff", "-f", str(file), **live)
    assert done.returncode == 1
    assert '    config.served_entities[only].external_model.name: "qwen" -> "llama"' in done.stdout.splitlines()
    assert run("apply", "-f", str(file), **live).returncode == 0
    assert run("endpoint", "rollback", "turned", "1", **live).stderr == "ready: turned\n"
    rows = run("endpoint", "versions", "turned", **live).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["VERSION", "3", "2", "1"]
    file.write_text(ENDPOINTS.replace("private", "turned"), encoding="utf-8")
    assert run("diff", "-f", str(file), **live).returncode == 0


def test_one_fault_keeps_everything_out(run: Run, live: dict[str, str], tmp_path: Path) -> None:
    """All faults of all files are told with their lines, and no endpoint of the batch is made."""
    good = ENDPOINTS.replace("private", "good").replace("team-chat", "also-good")
    (tmp_path / "a.yaml").write_text(good, encoding="utf-8")
    (tmp_path / "b.json").write_text(
        '{"name": "bad",\n "config": {"served_entities": [\n  {"external_model": {\n   "name": "m",\n'
        '   "provider": "nobody", "task": "llm/v1/chat"}}]}}',
        encoding="utf-8",
    )
    (tmp_path / "c.yaml").write_text("name: bad too\nconfig:\n  strange: 1\n", encoding="utf-8")
    before = run("export", **live).stdout
    done = run("apply", "-f", str(tmp_path), **live)
    assert done.returncode == 2
    told = done.stderr.replace(f"{tmp_path}/", "")
    assert "b.json:5: config.served_entities[0].external_model.provider: " in told
    assert re.search(r"c\.yaml:[13]: (name|config\.strange): ", told)
    assert "a.yaml" not in told
    assert run("export", **live).stdout == before


def test_endpoints_are_made_and_deleted_one_by_one(run: Run, live: dict[str, str], tmp_path: Path) -> None:
    """`create` waits until it serves, a second one is refused, and `delete` removes it."""
    file = tmp_path / "one.json"
    [_, body] = yaml.safe_load(ENDPOINTS)["endpoints"]
    file.write_text(json.dumps(body | {"name": "single"}), encoding="utf-8")
    assert run("endpoint", "create", "-f", str(file), **live).stderr == "ready: single\n"
    assert "RESOURCE_ALREADY_EXISTS" in run("endpoint", "create", "-f", str(file), **live).stderr
    file.write_text(json.dumps(body | {"name": "s p"}, indent=1), encoding="utf-8")
    refused = run("endpoint", "create", "-f", str(file), **live)
    assert (refused.returncode, refused.stderr.startswith(f"cloche: {file}:2: name: ")) == (2, True), refused.stderr
    assert run("endpoint", "delete", "single", **live).stderr == "deleted single\n"
    assert run("endpoint", "delete", "single", **live).returncode == 4
