"""The unchanged clients, text completions and embeddings: the same in front of every provider that has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from mlflow.deployments import get_deploy_client
from openai import APIError, BadRequestError, OpenAI, RateLimitError

from .live import PATIENCE, TOKEN, Live, in_front, playing
from .wordsmiths import TEXT, VECTOR, Wordsmiths

PROSE = ("openai", "anthropic", "cohere", "ai21labs")
EMULATED = PROSE[1:]
VECTORS = ("openai-vectors", "cohere-vectors")


@pytest.fixture(scope="module")
def wordsmiths() -> Iterator[Wordsmiths]:
    """The providers."""
    with playing(Wordsmiths()) as running:
        yield running


@pytest.fixture(scope="module")
def server(wordsmiths: Wordsmiths, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint for each of them."""
    folder = tmp_path_factory.mktemp("texts")
    with in_front(folder, wordsmiths.endpoints()) as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[OpenAI]:
    """The OpenAI client."""
    with OpenAI(api_key=TOKEN, base_url=f"{server.url}/serving-endpoints", max_retries=0) as made:
        yield made


@pytest.fixture
def workspace(server: Live) -> WorkspaceClient:
    """The Databricks SDK."""
    return WorkspaceClient(host=server.url, token=TOKEN)


@pytest.fixture
def mlflow(server: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The MLflow Deployments client."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    return get_deploy_client("databricks")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("provider", PROSE)
def test_a_whole_completion(client: OpenAI, provider: str) -> None:
    """Text, finish reason and usage are those of a text completion, whoever made it."""
    answer = client.completions.create(model=provider, prompt="hello", max_tokens=5)
    [choice] = answer.choices
    assert (answer.object, choice.text, choice.finish_reason) == ("text_completion", TEXT, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)


@pytest.mark.parametrize("provider", PROSE)
def test_a_streamed_completion(client: OpenAI, provider: str) -> None:
    """The pieces add up to the whole, and usage comes with the finish reason."""
    text, finishes, usages = "", [], []
    for chunk in client.completions.create(model=provider, prompt="hello", stream=True):
        assert chunk.object == "text_completion"
        usages += [chunk.usage.completion_tokens] if chunk.usage else []
        for choice in chunk.choices:
            text += choice.text
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert (text, finishes, usages) == (TEXT, ["stop"], [2])


@pytest.mark.parametrize("provider", PROSE)
def test_several_choices(client: OpenAI, provider: str) -> None:
    """`n` choices come, whether the provider is asked once or once for each; so do they in a stream."""
    answer = client.completions.create(model=provider, prompt="hello", n=2)
    assert [(choice.index, choice.text) for choice in answer.choices] == [(0, TEXT), (1, TEXT)]
    texts = {0: "", 1: ""}
    for chunk in client.completions.create(model=provider, prompt="hello", n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == {0: TEXT, 1: TEXT}


def test_prompts_that_only_completions_have(client: OpenAI, wordsmiths: Wordsmiths) -> None:
    """Several prompts and tokens go to OpenAI as they are; who is asked in a chat says that it takes one text."""
    for prompt, count in ((["a", "b"], 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2)):
        answer = client.completions.create(model="openai", prompt=prompt)
        assert len(answer.choices) == count
        assert wordsmiths.asked[-1][1]["prompt"] == prompt
    with pytest.raises(BadRequestError, match="one text"):
        client.completions.create(model="anthropic", prompt=["a", "b"])


@pytest.mark.parametrize("provider", EMULATED)
def test_the_caller_is_told_what_became_of_the_request(client: OpenAI, provider: str) -> None:
    """The head says that a chat was asked and what it does not have; who wants nothing dropped is refused."""
    raw = client.completions.with_raw_response
    report = raw.create(model=provider, prompt="hello", echo=True, suffix="x").headers["cloche-translation"]
    fates = dict(fate.split("=") for fate in report.split("; "))
    assert "prompt" in fates["emulated"].split(",")
    assert set(fates["dropped"].split(",")) == {"echo", "suffix"}
    with pytest.raises(BadRequestError, match="echo"):
        raw.create(model=provider, prompt="hello", echo=True, extra_headers={"cloche-strict-params": "true"})


@pytest.mark.parametrize("endpoint", VECTORS)
@pytest.mark.parametrize("more", [{}, {"encoding_format": "float"}], ids=["default", "float"])
def test_embeddings(client: OpenAI, endpoint: str, more: dict[str, Any]) -> None:
    """Vectors come in order, whether the client asks for base64, as it does by itself, or for numbers."""
    answer = client.embeddings.create(model=endpoint, input=["a", "b"], **more)
    assert [(each.index, each.embedding) for each in answer.data] == [(0, VECTOR), (1, VECTOR)]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (4, 4)


def test_embeddings_of_tokens(client: OpenAI) -> None:
    """Tokens are a provider's own affair: OpenAI takes them, and Cohere says that it does not."""
    assert len(client.embeddings.create(model="openai-vectors", input=[[1, 2], [3]]).data) == 2
    with pytest.raises(BadRequestError, match="texts, not tokens"):
        client.embeddings.create(model="cohere-vectors", input=[1, 2])


@pytest.mark.parametrize("provider", PROSE)
def test_mlflow_completes(mlflow: Any, provider: str) -> None:
    """A prediction with a prompt is a completion, and its stream adds up to the same."""
    answer = mlflow.predict(endpoint=provider, inputs={"prompt": "hello", "max_tokens": 5})
    assert answer["choices"][0]["text"] == TEXT
    chunks = mlflow.predict_stream(endpoint=provider, inputs={"prompt": "hello"})
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"]) == TEXT


@pytest.mark.parametrize("endpoint", VECTORS)
def test_mlflow_embeds(mlflow: Any, endpoint: str) -> None:
    """A prediction with an input is its vectors."""
    answer = mlflow.predict(endpoint=endpoint, inputs={"input": ["a", "b"]})
    assert [each["embedding"] for each in answer["data"]] == [VECTOR, VECTOR]


@pytest.mark.parametrize("provider", PROSE)
@pytest.mark.parametrize("stream", [None, True])
def test_the_databricks_sdk_completes(workspace: WorkspaceClient, provider: str, stream: bool | None) -> None:
    """`query(prompt=…)` works; with `stream=True`, whose events this client cannot read, the answer comes whole."""
    answer = workspace.serving_endpoints.query(provider, prompt="hello", max_tokens=5, stream=stream)
    [choice] = answer.choices or []
    assert (choice.text, choice.finish_reason, choice.index) == (TEXT, "stop", 0)
    assert answer.object is not None
    assert (answer.object.value, answer.served_model_name) == ("text_completion", "m")


@pytest.mark.parametrize("endpoint", VECTORS)
@pytest.mark.parametrize("stream", [None, True])
def test_the_databricks_sdk_embeds(workspace: WorkspaceClient, endpoint: str, stream: bool | None) -> None:
    """`query(input=…)` gives vectors, also where a stream is asked for, which embeddings do not have."""
    answer = workspace.serving_endpoints.query(endpoint, input=["a", "b"], stream=stream)
    assert [(each.index, each.embedding) for each in answer.data or []] == [(0, VECTOR), (1, VECTOR)]
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 4


@pytest.mark.parametrize("base", ["/serving-endpoints", "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1"])
def test_every_path(server: Live, base: str) -> None:
    """The endpoint is named in the body on each of the paths, with or without its entity."""
    prose = server.request("POST", f"{base}/completions", {"model": "openai/m", "prompt": "hello"})
    assert prose.json()["choices"][0]["text"] == TEXT
    vectors = server.request("POST", f"{base}/embeddings", {"model": "openai-vectors", "input": "a"})
    assert vectors.json()["data"][0]["embedding"] == VECTOR


def test_what_an_endpoint_does_not_do(server: Live, client: OpenAI) -> None:
    """A call for another task says what the endpoint does and where; so does a body of another task."""
    with pytest.raises(BadRequestError, match="does llm/v1/embeddings, not llm/v1/completions"):
        client.completions.create(model="openai-vectors", prompt="a")
    with pytest.raises(BadRequestError, match="does llm/v1/completions, not llm/v1/chat"):
        client.chat.completions.create(model="openai", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(BadRequestError, match="does llm/v1/completions, not llm/v1/embeddings"):
        client.embeddings.create(model="openai", input="a")
    for endpoint, takes in (("openai", '"prompt"'), ("openai-vectors", '"input"')):
        got = server.ask(endpoint)
        assert got.status == 400
        assert takes in got.json()["message"]


def test_refusals(client: OpenAI) -> None:
    """A provider that is busy is a rate limit for the client, of either task and also where a stream was wanted."""
    for stream in (False, True):
        with pytest.raises(RateLimitError, match="slow down"):
            client.completions.create(model="busy", prompt="hello", stream=stream)
    with pytest.raises(RateLimitError, match="slow down"):
        client.embeddings.create(model="busy-vectors", input="a")


def test_a_stream_that_is_cut(client: OpenAI) -> None:
    """A stream that ends in the middle is an error to the client, after what came before."""
    stream = client.completions.create(model="cut", prompt="hello", stream=True)
    assert next(stream).choices[0].text == " wor"
    with pytest.raises(APIError, match="before the answer was finished"):
        next(stream)


def test_a_client_that_leaves(client: OpenAI, wordsmiths: Wordsmiths) -> None:
    """When the client goes, so does the call to the provider."""
    stream = client.completions.create(model="endless", prompt="hello", stream=True)
    assert next(stream).choices[0].text == "word "
    stream.close()
    assert wordsmiths.left.wait(PATIENCE)


def test_the_record_of_a_call(server: Live, client: OpenAI) -> None:
    """Such calls are counted and logged as chats are, with the tokens that the provider counted."""
    with server.calls() as calls:
        client.completions.create(model="anthropic", prompt="hello")
        client.embeddings.create(model="cohere-vectors", input="a")
    told = [(call["endpoint"], call["status"], call["input_tokens"], call["output_tokens"]) for call in calls]
    assert told == [("anthropic", 200, 3, 2), ("cohere-vectors", 200, 4, 0)]


@pytest.mark.parametrize(
    ("endpoint", "field", "streams"), [("openai", "prompt", True), ("openai-vectors", "input", False)]
)
def test_the_document_of_an_endpoint(server: Live, endpoint: str, field: str, streams: bool) -> None:
    """The OpenAPI document of an endpoint tells what its task takes, and whether it can be streamed."""
    document = server.request("GET", f"/api/2.0/serving-endpoints/{endpoint}/openapi").json()
    query = document["paths"][f"/serving-endpoints/{endpoint}/invocations"]["post"]
    assert query["requestBody"]["content"]["application/json"]["schema"]["required"] == [field]
    assert ("text/event-stream" in query["responses"]["200"]["content"]) is streams
