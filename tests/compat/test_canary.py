"""No secret shows anywhere: marked ones are put into every slot, everything is exercised, and everything is searched.

Searched are every answer with its headers, the log, standard output, every file of the home as it lies on the disk, and
the command lines of the processes.  The one answer that tells a new token or client secret may do so once.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from providers.google_keys import service_account

from .live import TOKEN, Live, Reply, chat, invocations

MARK = "canary5f3e9a71"
API = "/api/2.0/serving-endpoints"
SCOPE = "canaries"

BEARING = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "x-custom-key", "x-amz-security-token")
"""Header fields that credentials are sent in."""

Settings = dict[str, Any]


def marked(what: str) -> str:
    """A secret that can be found."""
    return f"{MARK}-{what}"


def credential(path: str, what: str) -> str:
    """A marked secret that is good for a provider: most take anything, Google has a form for it, and AWS for ids."""
    mark = marked(f"{what}{path}")
    if path == "aws_access_key_id":
        return mark.replace("-", "_")
    return service_account(private_key_id=mark) if path == "private_key" else mark


class Indiscreet(BaseHTTPRequestHandler):
    """A provider that tells what it was sent: in the headers of its answers, and in its refusals of credentials."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer as the model's name says: with a status, or well; a form is answered with a token."""
        given = self.rfile.read(int(self.headers["content-length"]))
        if "form" in self.headers["content-type"]:
            self._answer(200, given.decode(), {"access_token": marked("lent-token"), "expires_in": 3600})
            return
        body = json.loads(given)
        status = int(body["model"]) if body.get("model", "").isdigit() else 200
        sent = " ".join(str(self.headers.get(name)) for name in BEARING)
        error = {"error": {"message": f"Incorrect API key provided: {sent}", "code": "invalid_api_key"}}
        if body.get("stream") or "stream" in self.path:
            self._answer(200, sent, error)
            return
        message = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
        self._answer(status, sent, {"id": "1", "choices": [message]} if status == 200 else error)

    def _answer(self, status: int, sent: str, value: object) -> None:
        streamed = status == 200 and isinstance(value, dict) and "error" in value
        data = (b"data: " if streamed else b"") + json.dumps(value).encode() + b"\n\n"
        self.send_response(status)
        self.send_header("x-sent", sent)
        self.send_header("location", f"http://127.0.0.1/{sent.replace(' ', '')}")
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The base URL of the indiscreet provider."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Indiscreet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


class Watched:
    """A server of which every answer is kept.  `told`: the secrets that it made, each told once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir(mode=0o700)
        self.master_key = base64.b64encode(secrets.token_bytes(32)).decode()
        (folder / "key").write_text(self.master_key)
        self.proxy_password = marked("proxy-password")
        (home / "cloche.toml").write_text(
            f'http_proxy = "http://user:{self.proxy_password}@127.0.0.1:9"\nno_proxy = ["127.0.0.1"]\n'
            f'master_key_command = "cat {folder}/key"\n'
        )
        self.live = Live(folder, "--no-default-endpoint")
        self.answers: list[Reply] = []
        self.told: list[str] = [self.master_key, TOKEN]

    def ask(self, method: str, path: str, body: object = None, token: str = TOKEN) -> Reply:
        """A request whose answer must show nothing."""
        reply = self.live.request(method, path, body, token=token)
        self.answers.append(reply)
        return reply

    def do(self, method: str, path: str, body: object = None) -> Any:
        """The same, and it must succeed."""
        reply = self.ask(method, path, body)
        assert reply.status in (200, 201), (method, path, reply)
        return reply.json() if reply.body else None

    def make(self, path: str, body: object, field: str) -> tuple[str, Any]:
        """Have a secret made, which the answer tells this once."""
        reply = self.live.request("POST", path, body)
        made = reply.json()
        self.told.append(made[field])
        return str(made[field]), made

    def refused(self, method: str, path: str, body: object) -> None:
        """A request that must fail for its own fault."""
        reply = self.ask(method, path, body)
        assert 400 <= reply.status < 500, (method, path, body, reply)

    def leaks(self) -> list[str]:
        """Everywhere that a secret shows."""
        needles = [MARK.encode(), *(value.encode() for value in self.told)]
        needles += [base64.b64decode(self.master_key), base64.b64encode(f"token:{TOKEN}".encode())]
        return [place for place, data in self._everything() if any(needle in data for needle in needles)]

    def _everything(self) -> Iterator[tuple[str, bytes]]:
        for reply in self.answers:
            yield f"the answer {reply}", reply.body + repr(reply.headers).encode()
        for name in ("log", "out"):
            yield name, (self.folder / name).read_bytes()
        for path in (self.folder / "home").rglob("*"):
            if path.is_file() and path.name != "cloche.toml":
                yield str(path), path.read_bytes()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if b"cloche" in command:
                yield f"the command line of {process.name}", command


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A server without endpoints."""
    server = Watched(tmp_path)
    yield server
    server.live.stop()


def providers(upstream: str) -> dict[str, tuple[str, Settings, tuple[str, ...]]]:
    """By a name for an endpoint: the provider, its other settings, and the paths of its credentials."""
    entra = {
        "openai_api_type": "azuread",
        "openai_api_base": upstream,
        "openai_api_version": "2024-02-01",
        "openai_deployment_name": "d",
        "microsoft_entra_tenant_id": "t",
        "microsoft_entra_client_id": "c",
        "microsoft_entra_authority": upstream,
    }
    bedrock = {"aws_region": "eu-west-1", "bedrock_provider": "anthropic", "aws_api_base": upstream}
    vertex = {
        "project_id": "p",
        "region": "europe-west1",
        "vertex_api_base": upstream,
        "vertex_token_uri": f"{upstream}/token",
    }
    return {
        "openai": ("openai", {"openai_api_base": upstream}, ("openai_api_key",)),
        "entra": ("openai", entra, ("microsoft_entra_client_secret",)),
        "anthropic": ("anthropic", {"anthropic_api_base": upstream}, ("anthropic_api_key",)),
        "cohere": ("cohere", {"cohere_api_base": upstream}, ("cohere_api_key",)),
        "gemini": ("gemini", {"gemini_api_base": upstream}, ("gemini_api_key",)),
        "mistral": ("mistral", {"mistral_api_base": upstream}, ("mistral_api_key",)),
        "bedrock": ("amazon-bedrock", bedrock, ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")),
        "ai21labs": ("ai21labs", {"ai21labs_api_base": upstream}, ("ai21labs_api_key",)),
        "vertex": ("google-cloud-vertex-ai", vertex, ("private_key",)),
        "databricks": (
            "databricks-model-serving",
            {"databricks_workspace_url": upstream.removesuffix("/v1")},
            ("databricks_api_token",),
        ),
        "bearer": ("custom", {"custom_provider_url": upstream}, ("bearer_token_auth.token",)),
        "header": (
            "custom",
            {"custom_provider_url": upstream, "api_key_auth": {"key": "x-custom-key"}},
            ("api_key_auth.value",),
        ),
    }


GROUPS = {"custom": "custom_provider_config"}


def config(provider: str, settings: Settings, model: str = "gpt-4o") -> dict[str, Any]:
    """The configuration of an endpoint with one external model."""
    group = GROUPS.get(provider, f"{provider.replace('-', '_')}_config")
    external = {"name": model, "provider": provider, "task": "llm/v1/chat", group: settings}
    return {"served_entities": [{"name": "it", "external_model": external}]}


def with_credentials(settings: Settings, credentials: dict[str, str]) -> Settings:
    """The settings with a value at each path."""
    found: Settings = json.loads(json.dumps(settings))
    for path, value in credentials.items():
        *folders, name = path.split(".")
        at = found
        for folder in folders:
            at = at.setdefault(folder, {})
        at[name] = value
    return found


def walk(watched: Watched, name: str) -> None:
    """Look at an endpoint in every way, and call it."""
    for path in ("", "/versions", "/versions/1", "/versions/1/diff", "/openapi", "/metrics", "/series"):
        watched.ask("GET", f"{API}/{name}{path}")
    for kind in ("logs", "build-logs"):
        watched.ask("GET", f"{API}/{name}/served-models/it/{kind}")
    watched.ask("GET", f"/api/2.0/endpoint-summaries?q={name}")
    for stream in (False, True):
        watched.ask("POST", f"{API}/{name}/upstream-request", {"body": chat(stream=stream)})
    watched.ask("POST", invocations(name), chat())
    watched.ask("POST", invocations(name), chat(stream=True))


def test_no_credential_of_a_provider_shows(watched: Watched, upstream: str) -> None:
    """Credentials of every provider, in both forms, made, changed, called, compared, exported and removed."""
    watched.do("POST", "/api/2.0/secrets/scopes/create", {"scope": SCOPE})
    for name, (provider, settings, paths) in providers(upstream).items():
        plain = {f"{path}_plaintext": credential(path, "") for path in paths}
        watched.do("POST", API, {"name": name, "config": config(provider, with_credentials(settings, plain))})
        references = {}
        for number, path in enumerate(paths):
            secret = {"scope": SCOPE, "key": f"{name}-{number}", "string_value": credential(path, "referred-")}
            watched.do("POST", "/api/2.0/secrets/put", secret)
            references[path] = "{{secrets/" + f"{SCOPE}/{name}-{number}" + "}}"
        referred = config(provider, with_credentials(settings, references))
        watched.do("PUT", f"{API}/{name}/config", referred)
        watched.do("PUT", f"{API}/{name}/config", config(provider, with_credentials(settings, plain)))
        walk(watched, name)
        both = with_credentials(settings, plain | references)
        watched.refused("PUT", f"{API}/{name}/config", config(provider, both))
        literal = with_credentials(settings, {path: marked("literal") for path in paths})
        watched.refused("PUT", f"{API}/{name}/config", config(provider, literal))
        nested = with_credentials(settings, {f"{path}_plaintext.x": marked("nested") for path in paths})
        watched.refused("PUT", f"{API}/{name}/config", config(provider, nested))
    exported = watched.do("GET", "/api/2.0/cloche/configuration")
    watched.do("PUT", "/api/2.0/cloche/configuration", exported)
    for path in (API, "/api/2.0/cloche/audit?limit=1000", "/openapi.json", f"/api/2.0/secrets/list?scope={SCOPE}"):
        watched.do("GET", path)
    watched.do("POST", f"{API}/openai/rollback", {"version": 1})
    watched.do("DELETE", f"{API}/bearer")
    watched.live.stop()
    assert watched.leaks() == []


def test_an_indiscreet_provider_gives_nothing_away(watched: Watched, upstream: str) -> None:
    """What a provider tells of the credentials it got reaches neither the caller nor the log, whatever its status."""
    openai = {"openai_api_key_plaintext": marked("key"), "openai_api_base": upstream}
    key = {"key": "x-custom-key", "value_plaintext": marked("key")}
    custom = {"custom_provider_url": upstream, "api_key_auth": key}
    for status in (200, 302, 400, 401, 403, 429, 500):
        for provider, settings in (("openai", openai), ("custom", custom)):
            name = f"{provider}-{status}"
            watched.do("POST", API, {"name": name, "config": config(provider, settings, str(status))})
            reply = watched.ask("POST", invocations(name), chat())
            assert (reply.status == 200) == (status == 200), reply
            watched.ask("POST", invocations(name), chat(stream=True))
    for provider in ("anthropic", "cohere"):
        settings = {f"{provider}_api_key_plaintext": marked("key"), f"{provider}_api_base": upstream}
        for status in (200, 400, 401, 429, 500):
            name = f"{provider}-{status}"
            watched.do("POST", API, {"name": name, "config": config(provider, settings, str(status))})
            for stream in (False, True):
                # The answer with 200 is in another dialect than this provider's, and so none.
                assert watched.ask("POST", invocations(name), chat(stream=stream)).status >= 400
    watched.live.stop()
    assert watched.leaks() == []


def test_no_secret_in_a_wrong_place_is_quoted(watched: Watched, upstream: str) -> None:
    """A refusal names the field and not what was in it, wherever somebody put a secret by mistake."""
    openai = {"openai_api_base": upstream}
    wrong: list[Settings] = [
        {"openai_api_key": marked("literal")},
        {"openai_api_key": {"value": marked("object")}},
        {"openai_api_key_plaintext": f"{marked('broken')}\r\nx-header: 1"},
        {"openai_api_key_plaintext": [marked("list")]},
        {"openai_api_key_plaintext": marked("url"), "openai_api_base": f"http://user:{marked('userinfo')}@127.0.0.1"},
        {"openai_api_key_plaintext": marked("url"), "openai_api_base": f"http://user:{marked('port')}@127.0.0.1:x"},
        {"openai_api_key_plaintext": marked("unknown"), "openai_password": marked("unknown")},
        {"openai_api_key_plaintext": marked("version"), "openai_api_type": "azure"},
    ]
    for settings in wrong:
        watched.refused("POST", API, {"name": "wrong", "config": config("openai", openai | settings)})
    auth = {"custom_provider_url": upstream, "api_key_auth": {"key": "bad name", "value_plaintext": marked("value")}}
    watched.refused("POST", API, {"name": "wrong", "config": config("custom", auth)})
    watched.do("POST", "/api/2.0/secrets/scopes/create", {"scope": SCOPE})
    for body in (
        {"scope": SCOPE, "key": "k", "bytes_value": marked("not base64!")},
        {"scope": SCOPE, "key": "k", "string_value": marked("one"), "bytes_value": marked("two")},
        {"scope": SCOPE, "key": "k", "string_value": [marked("list")]},
        {"scope": SCOPE, "key": "k", "string_value": marked("large") * 20_000},
        {"scope": "missing", "key": "k", "string_value": marked("missing")},
    ):
        watched.refused("POST", "/api/2.0/secrets/put", body)
    for token in (marked("bearer"), f"dapi{MARK}"):
        assert watched.ask("GET", API, token=token).status == 401
    watched.live.stop()
    assert watched.leaks() == []


def test_tokens_and_client_secrets_are_told_once(watched: Watched) -> None:
    """The answer that makes one tells it; after that it can be used, and nothing shows it."""
    value, made = watched.make("/api/2.0/token/create", {"comment": "laptop"}, "token_value")
    assert watched.ask("GET", API, token=value).status == 200
    watched.do("GET", "/api/2.0/token/list")
    principal = watched.do(
        "POST",
        "/api/2.0/preview/scim/v2/ServicePrincipals",
        {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"], "displayName": "job"},
    )
    credentials = f"/api/2.0/accounts/servicePrincipals/{principal['id']}/credentials/secrets"
    watched.make(credentials, {}, "secret")
    watched.do("GET", credentials)
    watched.do("POST", "/api/2.0/token/delete", {"token_id": made["token_info"]["token_id"]})
    assert watched.ask("GET", API, token=value).status == 401
    watched.do("GET", "/api/2.0/cloche/audit?limit=1000")
    watched.live.stop()
    assert watched.leaks() == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CLOCHE_DATABASE_URL", f"postgresql://cloche:{marked('password')}@127.0.0.1:1/cloche"),
        ("CLOCHE_DATABASE_URL", f"mysql://cloche:{marked('password')}@127.0.0.1:1/cloche"),
        ("CLOCHE_MASTER_KEY", marked("key")),
        ("CLOCHE_ADMIN_TOKEN", f"{marked('token')} with a space"),
        ("CLOCHE_OTEL_HEADERS", f"x-key {marked('key')}"),
        ("CLOCHE_HTTP_PROXY", f"ftp://user:{marked('password')}@127.0.0.1:x"),
    ],
)
def test_a_failed_start_quotes_no_secret(tmp_path: Path, variable: str, value: str) -> None:
    """Whatever is wrong with a setting that holds a secret, the terminal and the home do not show it."""
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CLOCHE_HOME": str(tmp_path / "home"), variable: value}
    command = [sys.executable, "-m", "cloche", "serve", "--port", "0", "--no-default-endpoint"]
    failed = subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False)
    assert failed.returncode != 0
    said = [failed.stdout, failed.stderr, *(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())]
    assert [text for text in said if MARK.encode() in text] == []
