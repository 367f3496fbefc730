"""Endpoints whose credentials are lent for a while: a token is fetched once, shared, renewed in time, never shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from openai import OpenAI

from providers.google_keys import pem, private_key, service_account, workload_identity

from .cloud import INDISCREET, Cloud
from .live import TOKEN, Live, Reply, chat, invocations, wait_until

API = "/api/2.0/serving-endpoints"
GROUP = "google_cloud_vertex_ai_config"


class Served:
    """A server in front of the cloud.  `answers`: every answer that it gave."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.folder = folder
        self.live = Live(folder, "--no-default-endpoint", "--allow-host-credentials")
        self.answers: list[Reply] = []

    def request(self, method: str, path: str, body: object) -> Reply:
        """A request whose answer is kept."""
        reply = self.live.request(method, path, body)
        self.answers.append(reply)
        return reply

    def serve(self, name: str, credentials: str, model: str = "gemini-2.5-flash", task: str = "llm/v1/chat") -> None:
        """Make or change an endpoint of that name, in front of a model of Vertex AI."""
        settings = {
            "project_id": "p-1",
            "region": "europe-west1",
            "private_key_plaintext": credentials,
            "vertex_api_base": self.cloud.url,
        }
        external = {"name": model, "provider": "google-cloud-vertex-ai", "task": task, GROUP: settings}
        config = {"served_entities": [{"name": "it", "external_model": external}]}
        made = self.request("PUT", f"{API}/{name}/config", config)
        if made.status == 404:
            made = self.request("POST", API, {"name": name, "config": config})
        assert made.status == 200, made

    def account(self, name: str, key: int = 0) -> str:
        """The JSON of an account of the cloud; one for each test, because equal ones share their tokens."""
        return service_account(key, client_email=f"{name}@x", token_uri=f"{self.cloud.url}/token")

    def ask(self, name: str, **fields: Any) -> Reply:
        """A call."""
        return self.request("POST", invocations(name), chat(**fields))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server and the cloud behind it."""
    with Cloud() as cloud:
        thread = threading.Thread(target=cloud.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            running = Served(cloud, tmp_path_factory.mktemp("lent"))
            yield running
            running.live.stop()
        finally:
            cloud.shutdown()
            thread.join()


def test_many_calls_at_once_fetch_one_token(served: Served) -> None:
    """Calls that come while the token is under way wait for it, and later ones use it."""
    account = served.cloud.account("many")
    account.delay = 0.5
    served.serve("many", served.account("many"))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: served.ask("many"), range(16)))
    assert {reply.status for reply in replies} == {200}
    assert replies[0].json()["choices"][0]["message"]["content"] == "Hello"
    assert (account.asked, len(account.used)) == (1, 16)


def test_equal_credentials_share_their_token(served: Served) -> None:
    """Two endpoints with the same account ask for one token, also when one of them is published again."""
    served.serve("shared-1", served.account("shared"))
    served.serve("shared-2", served.account("shared"), "gemini-2.5-pro")
    assert [served.ask(name).status for name in ("shared-1", "shared-2")] == [200, 200]
    served.serve("shared-1", served.account("shared"), "gemini-2.5-pro")
    assert served.ask("shared-1").status == 200
    assert served.cloud.account("shared").asked == 1


def test_a_token_is_renewed_before_it_ends(served: Served) -> None:
    """While one that ends soon still serves, the next is fetched; no call waits for it or fails."""
    account = served.cloud.account("renewed")
    account.life = 4  # from half of it on
    served.serve("renewed", served.account("renewed"))
    statuses = []

    def renewed() -> bool:
        statuses.append(served.ask("renewed").status)
        return len(set(account.used)) > 1

    wait_until(renewed, "the next token")
    assert set(statuses) == {200}
    assert account.used[:2] == account.lent[:1] * 2


def test_a_token_server_that_is_down_is_not_missed_while_a_token_serves(served: Served) -> None:
    """Calls go on with the token in hand; without one, they are told that the token server is to blame."""
    account = served.cloud.account("down")
    account.life = 10
    served.serve("down", served.account("down"))
    assert served.ask("down").status == 200
    account.down = True
    assert [served.ask("down").status for _ in range(3)] == [200] * 3
    wait_until(lambda: served.ask("down").status == 200 and account.asked > 1, "a try to renew it")
    assert served.ask("down").status == 200
    served.cloud.account("never").down = True
    served.serve("never", served.account("never"))
    refused = served.ask("never")
    assert (refused.status, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert "Google's token server answered 503" in refused.json()["message"]
    assert "retry-after" in refused.headers


def test_a_wrong_key_is_the_operator_s_fault(served: Served) -> None:
    """It is 500, as a wrong key of any provider, with the server's code and none of what was sent."""
    served.serve("wrong", served.account("wrong", key=1))
    for stream in (False, True):
        refused = served.ask("wrong", stream=stream)
        assert (refused.status, refused.json()["error_code"]) == (500, "INTERNAL_ERROR")
        message = refused.json()["message"]
        assert "refused the credentials of this served entity (status 400, invalid_grant)" in message
        assert "operator" in message
        assert "assertion" not in message


def test_a_wrong_clock_is_explained(served: Served) -> None:
    """Where the token server's clock is ten minutes ahead, the caller is told whose clock is wrong, and how."""
    served.cloud.account("late").skew = 600
    served.serve("late", served.account("late"))
    refused = served.ask("late")
    assert refused.status == 500
    assert "this host's clock is 10 minutes behind the provider's" in refused.json()["message"]


def test_a_key_is_changed_without_a_call_lost(served: Served) -> None:
    """After an update of the endpoint calls bear tokens of the new key, and the old one is asked for no more."""
    account = served.cloud.account("rotated")
    account.keys = {0, 1}
    served.serve("rotated", served.account("rotated"))
    assert served.ask("rotated").status == 200
    served.serve("rotated", served.account("rotated", key=1))
    account.keys = {1}
    assert served.ask("rotated").status == 200
    assert account.used == account.lent
    assert len(account.lent) == 2


def test_a_workload_identity_proves_itself_with_a_file(served: Served) -> None:
    """What another place gave the machine is exchanged for a token of Google's."""
    file = served.folder / "subject"
    file.write_text(jwt.encode({"iss": "cluster"}, "k" * 32, "HS256"))
    served.serve("cluster", workload_identity({"file": str(file)}, token_url=f"{served.cloud.url}/sts"))
    assert served.ask("cluster").status == 200
    assert served.cloud.account("cluster").lent == served.cloud.account("cluster").used


def test_an_application_of_entra(served: Served) -> None:
    """A deployment on Azure is called with its tokens; a wrong secret is the operator's fault."""
    for client, secret in (("app", "secret-of-app"), ("stranger", "secret-of-nobody")):
        settings = {
            "openai_api_type": "azuread",
            "openai_api_base": served.cloud.url,
            "openai_api_version": "2024-10-21",
            "openai_deployment_name": "d",
            "microsoft_entra_tenant_id": "t",
            "microsoft_entra_client_id": client,
            "microsoft_entra_client_secret_plaintext": secret,
            "microsoft_entra_authority": served.cloud.url,
        }
        external = {"name": "gpt-4o", "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
        config = {"served_entities": [{"name": "it", "external_model": external}]}
        assert served.request("POST", API, {"name": client, "config": config}).status == 200
    assert served.ask("app").json()["choices"][0]["message"]["content"] == "Hello"
    assert served.ask("app").status == 200
    assert served.cloud.account("app").asked == 1
    refused = served.ask("stranger")
    assert refused.status == 500
    assert "Microsoft Entra ID refused the credentials" in refused.json()["message"]


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "claude-opus-4-1"])
def test_streams(served: Served, model: str) -> None:
    """Each dialect on Vertex AI is a stream of chunks to OpenAI's client."""
    served.serve(f"stream-{model.partition('-')[0]}", served.account("streams"), model)
    with OpenAI(api_key=TOKEN, base_url=f"{served.live.url}/serving-endpoints", max_retries=0) as client:
        text, finishes = "", []
        name = f"stream-{model.partition('-')[0]}"
        for chunk in client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finishes += [choice.finish_reason] if choice.finish_reason else []
    assert (text, finishes) == ("Hello", ["tool_calls"])


def test_embeddings(served: Served) -> None:
    """Texts that need several calls are several calls with one token, and one answer to OpenAI's client."""
    served.serve("vectors", served.account("vectors"), "gemini-embedding-001", "llm/v1/embeddings")
    with OpenAI(api_key=TOKEN, base_url=f"{served.live.url}/serving-endpoints", max_retries=0) as client:
        answer = client.embeddings.create(model="vectors", input=["a", "b", "c"], dimensions=1)
    assert [each.embedding for each in answer.data] == [[0.5]] * 3
    assert answer.usage.prompt_tokens == 6
    account = served.cloud.account("vectors")
    assert (account.asked, len(account.used)) == (1, 3)


def test_a_key_that_is_none_is_refused_when_it_is_given(served: Served) -> None:
    """Before any call, with the place of the fault, also where a secret holds it."""
    bad = json.loads(served.account("bad")) | {"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n"}
    scope, key = "vertex", "account"
    assert served.request("POST", "/api/2.0/secrets/scopes/create", {"scope": scope}).status == 200
    for text, status in ((json.dumps(bad), 400), (served.account("good"), 200)):
        secret = {"scope": scope, "key": key, "string_value": text}
        assert served.request("POST", "/api/2.0/secrets/put", secret).status == 200
        settings = {"project_id": "p-1", "region": "us", "private_key": "{{secrets/vertex/account}}"}
        external = {"name": "m", "provider": "google-cloud-vertex-ai", "task": "llm/v1/chat", GROUP: settings}
        config = {"served_entities": [{"name": "it", "external_model": external}]}
        made = served.request("POST", API, {"name": "referred", "config": config})
        assert made.status == status, made
        assert status == 200 or "private_key: is no RSA key" in made.json()["message"]


def test_a_refusal_that_quotes_the_token(served: Served) -> None:
    """The provider's words are passed on without it."""
    served.serve("quoting", served.account("quoting"))
    for stream in (False, True):
        refused = served.ask("quoting", user="me", messages=[{"role": "user", "content": INDISCREET}], stream=stream)
        assert (refused.status, refused.json()["error_code"]) == (400, "BAD_REQUEST")
        assert "vertex-ai answered 400: indiscreet: Bearer ***" in refused.json()["message"]


def test_nothing_secret_was_shown(served: Served) -> None:
    """No answer and no line of the log has had a key, a token or an application's secret in it."""
    places = [reply.body + repr(reply.headers).encode() for reply in served.answers]
    places += [(served.folder / name).read_bytes() for name in ("log", "out")]
    secrets = [line for number in (0, 1) for line in pem(private_key(number)).splitlines()[1:-1]]
    secrets += [token for account in served.cloud.accounts.values() for token in account.lent]
    secrets += ["secret-of-"]
    assert len(secrets) > 20
    assert [secret for secret in secrets if any(secret.encode() in place for place in places)] == []
