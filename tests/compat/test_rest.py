"""Plain HTTP, as curl and scripts speak it: every path of the data plane, both credentials, what errors are."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from .live import ENDPOINT, MODEL, PATIENCE, TOKEN, Live, chat, invocations

pytestmark = pytest.mark.model

BY_PATH = (
    invocations(ENDPOINT),
    f"/serving-endpoints/{ENDPOINT}/served-models/{MODEL}/invocations",
)
BY_MODEL = (
    "/serving-endpoints/chat/completions",
    "/ai-gateway/mlflow/v1/chat/completions",
    "/ai-gateway/openai/v1/chat/completions",
)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", [*BY_PATH, *BY_MODEL])
def test_every_chat_path(live: Live, path: str, slash: str) -> None:
    """Each path answers, with and without a slash at its end; where the path names no endpoint, `model` does."""
    body = chat(max_tokens=2) | ({"model": ENDPOINT} if path in BY_MODEL else {})
    reply = live.request("POST", path + slash, body)
    assert reply.status == 200, reply.body
    assert reply.json()["usage"]["completion_tokens"] == 2
    assert reply.headers["served-model-name"] == MODEL


def test_the_model_in_the_body_does_not_matter_where_the_path_names_the_endpoint(live: Live) -> None:
    """A `model` beside an endpoint's own path is ignored."""
    assert live.ask(model="whatever", max_tokens=1).status == 200


@pytest.mark.parametrize("path", ["/api/2.0/serving-endpoints", f"/api/2.0/serving-endpoints/{ENDPOINT}"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_endpoint_documents(live: Live, path: str, slash: str) -> None:
    """Lists and documents too are served with and without the slash."""
    reply = live.request("GET", path + slash)
    assert reply.status == 200
    assert ENDPOINT in reply.body.decode()


@pytest.mark.parametrize("basic", [False, True])
def test_both_kinds_of_credentials(live: Live, basic: bool) -> None:
    """A token may come as Bearer, or as the password of the user `token`; a wrong one is refused in both."""
    path = f"/api/2.0/serving-endpoints/{ENDPOINT}"
    assert live.request("GET", path, basic=basic).status == 200
    refused = live.request("GET", path, token="dapi-not-ours", basic=basic)
    assert (refused.status, refused.json()["error_code"]) == (401, "UNAUTHENTICATED")


def test_what_needs_no_token(live: Live) -> None:
    """Health, readiness and the document that the SDK reads first are public; all else wants a token."""
    for path in ("/health", "/ready", "/.well-known/databricks-config"):
        assert live.request("GET", path, token=None).status == 200
    for method, path in (("GET", "/serving-endpoints/models"), ("POST", invocations(ENDPOINT))):
        assert live.request(method, path, chat(), token=None).status == 401


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/2.0/clusters/list", "/serving-endpoints/responses"])
def test_an_unknown_path(live: Live, path: str) -> None:
    """What is not served is a 404 in the shape of every other error."""
    reply = live.request("POST", path, {})
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/json"
    assert reply.json().keys() == {"error_code", "message"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        (chat(max_tokens="8"), "max_tokens"),
        (chat(stream="yes"), "stream"),
        (chat(response_format={"type": "json_schema"}), "response_format.json_schema"),
        (chat(tools=[{"type": "function"}]), "tools[0].function"),
    ],
    ids=["none", "role", "content", "max_tokens", "stream", "schema", "tool"],
)
def test_a_wrong_field(live: Live, body: object, told: str) -> None:
    """A wrong field is a 400, never a 422, whose message opens with the field's path."""
    reply = live.request("POST", invocations(ENDPOINT), body)
    assert reply.status == 400
    assert reply.json()["error_code"] == "BAD_REQUEST"
    assert reply.json()["message"].startswith(told)


def test_a_stream_in_bytes(live: Live) -> None:
    """A stream is nothing but data lines, each followed by an empty line, and ends with the end mark."""
    reply = live.ask(stream=True)
    assert reply.headers["content-type"].startswith("text/event-stream")
    *events, end, rest = reply.body.split(b"\n\n")
    assert (end, rest) == (b"data: [DONE]", b"")
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)
    last = json.loads(events[-1].removeprefix(b"data: "))
    assert last["choices"][0]["finish_reason"] == last["choices"][0]["finishReason"] == "length"
    assert last["usage"]["completion_tokens"] == 8


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_sends_a_file_and_waits_for_permission(live: Live) -> None:
    """A large body, before which curl asks with `Expect: 100-continue`, chunked or not, is answered."""
    body = json.dumps(chat(max_tokens=1) | {"metadata": {"padding": "x" * 1_500_000}})
    for header in ("Content-Type: application/json", "Transfer-Encoding: chunked"):
        command = ["curl", "-sS", "--noproxy", "*", "--max-time", f"{PATIENCE:g}", "-u", f"token:{TOKEN}"]
        command += ["-H", header, "-H", "Expect: 100-continue", "-d", "@-", live.url + invocations(ENDPOINT)]
        told = subprocess.run(command, input=body.encode(), capture_output=True, timeout=2 * PATIENCE, check=True)
        assert json.loads(told.stdout)["usage"]["completion_tokens"] == 1
