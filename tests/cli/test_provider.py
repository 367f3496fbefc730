"""`cloche provider`: what providers take and do is told without a server; a running one tries those of an endpoint."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from cloche.domain import errors
from cloche.gateway.probe import ADVICE
from cloche.providers.catalogue import PROVIDERS
from compat.live import TOKEN, Live, in_front, playing
from compat.provider import Handler, Provider, answer

from .conftest import COMMAND, Run

KEY = "sk-canary-0123456789"


def data(done: subprocess.CompletedProcess[str]) -> Any:
    """What a command printed with --json."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_list_has_every_provider(run: Run) -> None:
    """Each row has a name, tasks, credentials and the page that tells more; no server is asked."""
    listed = {
        each["name"]: each
        for each in data(run("provider", "list", "--json", CLOCHE_URL="http://127.0.0.1:9"))["providers"]
    }
    assert listed.keys() == PROVIDERS.keys()
    assert listed["anthropic"] == {
        "name": "anthropic",
        "tasks": ["chat", "completions"],
        "credentials": ["anthropic_api_key"],
        "page": "docs/providers/anthropic.md",
    }
    text = run("provider", "list").stdout
    assert text.startswith("NAME ")
    assert "aws_secret_access_key" in text


def test_show_tells_what_becomes_of_each_field(run: Run) -> None:
    """Settings say what is needed and what is secret; fates are those of the real translator; reasons to end are all
    there."""
    told = data(run("provider", "show", "anthropic", "--json"))
    key, base = told["settings"]
    assert (key["name"], key["needed"], key["secret"]) == ("anthropic_api_key", "yes", True)
    assert (base["name"], base["needed"], base["secret"]) == ("anthropic_api_base", "", False)
    fields = {each["field"]: each["models"]["claude-haiku-4-5"] for each in told["fields"]}
    words = {name: each["word"] for name, each in fields.items()}
    assert (words["seed"], words["stop"], words["n"]) == ("dropped", "mapped", "emulated")
    assert (words["messages: audio"], words["client_request_id"]) == ("refused", "kept")
    assert fields["temperature above 1"] == {"word": "clamped", "why": "at most 1"}
    assert told["finish_reasons"]["max_tokens"] == "length"
    text = run("provider", "show", "mistral").stdout
    assert "mistral_api_key" in text
    assert "dropped: mistral refuses it" in text
    assert "model_length  length" in text


def test_every_provider_can_be_shown(run: Run) -> None:
    """No provider is left without an answer; what there is none of is exit code 4."""
    assert "the PaLM API was shut down" in run("provider", "show", "palm").stdout
    for name in ("custom", "palm", "openai", "llama-cpp"):
        assert data(run("provider", "show", name, "--json"))["name"] == name
    done = run("provider", "show", "acme")
    assert (done.returncode, done.stdout) == (4, "")
    assert "there is no provider 'acme': see `cloche provider list`" in done.stderr
    assert "did you mean amazon-bedrock?" in run("provider", "show", "bedrock").stderr
    assert "did you mean openai?" in run("provider", "show", "Azure").stderr
    assert data(run("provider", "show", "palm", "--json"))["tasks"] == []
    assert "anthropic.claude-haiku-4-5-20251001-v1:0" in run("provider", "show", "amazon-bedrock").stdout


def test_each_failure_of_a_provider_has_advice() -> None:
    """Whatever a provider may do wrong, the person who looks is told what to do."""
    leaves = {
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ProviderFault)
    }
    assert leaves - {errors.ProviderFault} <= ADVICE.keys()


# ---------------------------------------------------------------- with a server


class Thinker(Handler):
    """Refuses a bound of one token, as models that reason do."""

    def do_POST(self) -> None:
        """Answer anything else, and whatever is no chat."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        tight = "messages" in body and "max_tokens" in body
        told = {"error": {"message": "max_tokens is not supported", "code": "unsupported_parameter"}}
        whole: dict[str, Any] = answer(body["model"], body)
        if "prompt" in body:
            whole["choices"] = [{"index": 0, "text": "OK", "finish_reason": "length"}]
        if "input" in body:
            whole = {"data": [{"index": 0, "embedding": [0.5]}], "usage": whole["usage"]}
        self.whole(400 if tight else 200, told if tight else whole)


class Liar(Handler):
    """Says 200 to everything: with an error inside, or with an answer that is none."""

    def do_POST(self) -> None:
        """What the model's name says."""
        model = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        told = {"error": {"message": "too many", "code": 429}}
        self.whole(200, told if model == "busy" else {"welcome": "to our website"})


def acting(handler: type[Handler]) -> Provider:
    """A provider that answers so."""
    made = Provider()
    made.RequestHandlerClass = handler
    return made


def model(name: str, base: str, entity: str, task: str = "llm/v1/chat") -> dict[str, Any]:
    """A served entity behind the scripted provider, whose model's name says how it answers."""
    settings = {"openai_api_key_plaintext": KEY, "openai_api_base": base}
    external = {"name": name, "provider": "openai", "task": task, "openai_config": settings}
    return {"name": entity, "external_model": external}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint of one model that answers, one of models that do not, each in a way of its own."""
    folder = tmp_path_factory.mktemp("probe")
    with playing(acting(Handler)) as running:
        failing = [model(name, running.url, name) for name in ("echo", "bad-key", "busy", "refusing", "overloaded")]
        failing.append(model("echo", "http://127.0.0.1:1/v1", "deaf"))
        endpoints = [
            {"name": "good", "config": {"served_entities": [model("echo", running.url, "echo")]}},
            {"name": "mixed", "config": {"served_entities": failing}},
        ]
        with in_front(folder, endpoints) as live:
            yield live


def test_the_api_tells_what_the_command_shows(server: Live, run: Run) -> None:
    """Forms have a title, the settings object and its fields, with what is secret, needed or one of few words; what the
    command shows is the same."""
    told = {each["name"]: each for each in server.request("GET", "/api/2.0/providers").json()["providers"]}
    assert told.keys() == PROVIDERS.keys()
    assert (told["amazon-bedrock"]["title"], told["amazon-bedrock"]["group"]) == (
        "Amazon Bedrock",
        "amazon_bedrock_config",
    )
    fields = {name: {field["name"]: field for field in form["fields"]} for name, form in told.items()}
    assert fields["anthropic"]["anthropic_api_key"]["label"] == "API key"
    kind = fields["openai"]["openai_api_type"]
    assert (kind["choices"], kind["required"]) == (["openai", "azure", "azuread"], False)
    assert fields["openai"]["microsoft_entra_tenant_id"]["required_for"] == ["azuread"]
    assert fields["amazon-bedrock"]["uc_service_credential_name"]["refused"]
    assert "shut down" in told["palm"]["deprecated_reason"]
    assert (told["palm"]["tasks"], told["mistral"]["tasks"]) == ([], ["llm/v1/chat"])
    shown = data(run("provider", "show", "openai", "--json"))["settings"]
    assert [(each["name"], each["secret"], each["meaning"]) for each in shown] == [
        (each["name"], each["secret"], each["help"]) for each in told["openai"]["fields"]
    ]


def probe(server: Live, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    environ = server.environ | {"CLOCHE_URL": server.url, "CLOCHE_TOKEN": TOKEN, "PYTHONWARNINGS": "error"}
    command = [*COMMAND, "provider", "probe", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_probe_explains_what_fails(server: Live) -> None:
    """Each entity is tried; who does not answer is named with the reason and what to do; one failure fails it all."""
    done = probe(server, "mixed", "--json")
    assert done.returncode == 1
    assert "5 of 6 do not answer: bad-key, busy, refusing, overloaded, deaf" in done.stderr
    told = {each["entity"]: each for each in json.loads(done.stdout)["probes"]}
    assert told["echo"]["ok"]
    assert (told["echo"]["message"], told["echo"]["advice"]) == ("", "")
    expected: dict[str, type[errors.Problem]] = {
        "bad-key": errors.ProviderCredentials,
        "busy": errors.ProviderBusy,
        "refusing": errors.ProviderRefused,
        "overloaded": errors.ProviderUnavailable,
        "deaf": errors.ProviderUnreachable,
    }
    assert {name: told[name]["advice"] for name in expected} == {name: ADVICE[kind] for name, kind in expected.items()}
    assert all(told[name]["message"] for name in expected)
    text = probe(server, "mixed")
    assert "FAILED  bad-key" in text.stdout
    assert ADVICE[errors.ProviderCredentials] in text.stdout
    assert KEY not in done.stdout + text.stdout + text.stderr


def test_probe_of_what_answers(server: Live) -> None:
    """One entity can be picked; success is silent on standard error, and each probe is in the audit log."""
    for arguments in (("good",), ("mixed", "--entity", "echo")):
        done = probe(server, *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("ok      echo")
    entry = server.request("GET", "/api/2.0/cloche/audit").json()["entries"][0]
    assert (entry["action"], entry["target"], entry["after"]) == (
        "endpoint.probe",
        "mixed",
        {"served_entity_name": "echo"},
    )


def test_probe_of_what_is_not_there(server: Live) -> None:
    """An unknown endpoint or entity is exit code 4, and a stranger learns nothing."""
    for arguments in (("nowhere",), ("good", "--entity", "nobody")):
        assert probe(server, *arguments).returncode == 4
    path = "/api/2.0/serving-endpoints/good/probe"
    assert server.request("POST", path, {}, token="dapi-of-nobody").status == 401
    assert server.request("POST", path, {"served_entity": "echo"}).status == 400


def test_each_model_is_asked_what_fits_its_task(server: Live) -> None:
    """Completions get a prompt, embeddings a text; a chat model that refuses so tight a bound is asked without it."""
    with playing(acting(Thinker)) as running:
        for task in ("chat", "completions", "embeddings"):
            entities = {"served_entities": [model("m", running.url, task, f"llm/v1/{task}")]}
            made = server.request("POST", "/api/2.0/serving-endpoints", {"name": task, "config": entities})
            assert made.status == 200, made.body
            done = probe(server, task)
            assert (done.returncode, done.stderr) == (0, "")
        tight, loose, completion, embedding = running.asked
    assert (tight["max_tokens"], "max_tokens" in loose) == (1, False)
    assert (completion["max_tokens"], embedding["input"]) == (1, "OK")


@pytest.mark.parametrize("task", ["chat", "completions", "embeddings"])
def test_an_answer_is_read(server: Live, task: str) -> None:
    """Status 200 says little: an error inside, and a page that is none of the API's answers, are failures."""
    with playing(acting(Liar)) as running:
        models = [model(name, running.url, name, f"llm/v1/{task}") for name in ("busy", "website")]
        config = {"served_entities": models}
        made = server.request("POST", "/api/2.0/serving-endpoints", {"name": f"liar-{task}", "config": config})
        assert made.status == 200, made.body
        done = probe(server, f"liar-{task}", "--json")
    assert done.returncode == 1
    busy, website = json.loads(done.stdout)["probes"]
    assert busy["advice"] == ADVICE[errors.ProviderBusy]
    assert website["advice"] == ADVICE[errors.ProviderBroken]
