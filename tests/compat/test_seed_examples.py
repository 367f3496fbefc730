"""The four examples of the documentation page "Query a chat model", as printed there; only host, token and the
placeholder of the endpoint's name are put in."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
import subprocess
from typing import Any

import pytest

from .live import ENDPOINT, PATIENCE, TOKEN, Live, invocations, raw_request

pytestmark = pytest.mark.model

OPENAI = """
import os
import openai
from openai import OpenAI

client = OpenAI(
    api_key="dapi-your-databricks-token",
    base_url="https://example.staging.cloud.databricks.com/serving-endpoints"
)

response = client.chat.completions.create(
    model="bedrock-chat-completions-endpoint",
    messages=[
      {
        "role": "system",
        "content": "You are a helpful assistant."
      },
      {
        "role": "user",
        "content": "What is a mixture of experts model?",
      }
    ],
    max_tokens=256
)
"""

REST = r"""
curl \
-u token:$DATABRICKS_TOKEN \
-X POST \
-H "Content-Type: application/json" \
-d '{
  "messages": [
    {
      "role": "system",
      "content": "You are a helpful assistant."
    },
    {
      "role": "user",
      "content": " What is a mixture of experts model?"
    }
  ]
}' \
https://<workspace_host>.databricks.com/serving-endpoints/<your-external-model-endpoint>/invocations \
"""

MLFLOW = """
import mlflow.deployments

# Only required when running this example outside of a Databricks Notebook
export DATABRICKS_HOST="https://<workspace_host>.databricks.com"
export DATABRICKS_TOKEN="dapi-your-databricks-token"

client = mlflow.deployments.get_deploy_client("databricks")

chat_response = client.predict(
    endpoint="bedrock-chat-completions-endpoint",
    inputs={
        "messages": [
            {
              "role": "user",
              "content": "Hello!"
            },
            {
              "role": "assistant",
              "content": "Hello! How can I assist you today?"
            },
            {
              "role": "user",
              "content": "What is a mixture of experts model??"
            }
        ],
        "temperature": 0.1,
        "max_tokens": 20
    }
)
"""

DATABRICKS_SDK = """
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole

w = WorkspaceClient()
response = w.serving_endpoints.query(
    name="bedrock-chat-completions-endpoint",
    messages=[
        ChatMessage(
            role=ChatMessageRole.SYSTEM, content="You are a helpful assistant."
        ),
        ChatMessage(
            role=ChatMessageRole.USER, content="What is a mixture of experts model?"
        ),
    ],
    max_tokens=128,
)
print(f"RESPONSE:\\n{response.choices[0].message.content}")
"""

HOSTS = ("https://example.staging.cloud.databricks.com", "https://<workspace_host>.databricks.com")


def localised(example: str, live: Live) -> str:
    """The example with this server's host and token."""
    for host in HOSTS:
        example = example.replace(host, live.url)
    return example.replace("dapi-your-databricks-token", TOKEN).replace("<your-external-model-endpoint>", ENDPOINT)


def run(example: str) -> dict[str, Any]:
    """The names that the example has bound when it ends."""
    names: dict[str, Any] = {}
    exec(compile(example, "example", "exec"), names)
    return names


def test_openai(live: Live) -> None:
    """The OpenAI example gets an answer of at most 256 tokens."""
    names = run(localised(OPENAI, live))
    names["client"].close()
    response = names["response"]
    assert response.model == ENDPOINT
    assert response.choices[0].message.role == "assistant"
    assert response.choices[0].message.content
    assert 0 < response.usage.completion_tokens <= 256


def test_rest(live: Live) -> None:
    """The curl example prints an answer in the documented shape."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = localised(REST, live).replace("curl ", f"curl -sS --noproxy '*' --max-time {PATIENCE:g} ", 1)
    told = subprocess.run(
        ["sh", "-c", script],
        env=live.environ | {"DATABRICKS_TOKEN": TOKEN},
        capture_output=True,
        timeout=2 * PATIENCE,
        check=True,
    )
    check_shape(json.loads(told.stdout))


def test_rest_over_a_bare_socket(live: Live) -> None:
    """The same request, byte by byte as curl writes it, gets the documented shape."""
    body = json.loads(REST[REST.index("'{") + 1 : REST.index("}'") + 1]) | {"max_tokens": 8}
    with socket.create_connection(("127.0.0.1", live.port), timeout=PATIENCE) as connection:
        request = raw_request(invocations(ENDPOINT), body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        for at in range(len(request)):
            connection.send(request[at : at + 1])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, payload = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    check_shape(json.loads(payload))


def check_shape(answer: dict[str, Any]) -> None:
    """Every key of the page's sample answer is there, and what it leaves null has a value."""
    assert answer["model"] == ENDPOINT
    assert answer["object"] == "chat.completion"
    assert isinstance(answer["id"], str)
    assert isinstance(answer["created"], int)
    (choice,) = answer["choices"]
    assert choice["index"] == 0
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    assert choice["finishReason"] == choice["finish_reason"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_mlflow(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The MLflow example gets an answer of at most 20 tokens; its `export` lines are done as the shell would."""
    lines = localised(MLFLOW, live).splitlines()
    for line in lines:
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            monkeypatch.setenv(name, value)
    names = run("\n".join(line for line in lines if not line.startswith("export ")))
    response = names["chat_response"]
    check_shape(response)
    assert response["usage"]["completion_tokens"] <= 20


def test_databricks_sdk(live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The Databricks SDK example prints the answer, and what the SDK reads of it is filled."""
    monkeypatch.setenv("DATABRICKS_HOST", live.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    response = run(DATABRICKS_SDK)["response"]
    printed = capsys.readouterr().out
    assert printed == f"RESPONSE:\n{response.choices[0].message.content}\n"
    assert response.choices[0].message.content
    assert response.choices[0].finish_reason in ("stop", "length")
    assert response.served_model_name == "smollm2-135m-instruct"
    assert response.usage.completion_tokens <= 128
