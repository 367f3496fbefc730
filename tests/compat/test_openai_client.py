"""The OpenAI client against the real model: what a chat request can ask for, whole and streamed."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from .live import ENDPOINT, MODEL, TOKEN, Live, chat

pytestmark = pytest.mark.model


def ask(client: OpenAI, **fields: Any) -> Any:
    """A short query; `fields` change it."""
    return client.chat.completions.create(**({"model": ENDPOINT} | chat(**fields)))


def says(text: str, role: str = "user") -> dict[str, str]:
    """A message."""
    return {"role": role, "content": text}


def test_a_whole_answer(openai_client: OpenAI) -> None:
    """A plain query fills every field that users of the client read."""
    answer = ask(openai_client)
    (choice,) = answer.choices
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == ENDPOINT
    assert choice.message.role == "assistant"
    assert choice.message.content.strip()
    assert choice.finish_reason == "length"
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8


def test_a_stream_says_what_the_whole_answer_says(openai_client: OpenAI) -> None:
    """The pieces of a stream put together are the whole answer, under one id, with the role said first."""
    whole = ask(openai_client).choices[0]
    chunks = list(ask(openai_client, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert [chunk.choices[0].delta.role for chunk in chunks[:2]] == ["assistant", None]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["length"]
    assert len(chunks) > 4


def test_usage_comes_with_the_finish_reason(openai_client: OpenAI) -> None:
    """Without `stream_options`, usage is on the chunk that finishes and on no other."""
    *others, last = ask(openai_client, stream=True)
    assert last.usage.completion_tokens == 8
    assert last.choices[0].finish_reason == "length"
    assert all(chunk.usage is None for chunk in others)


def test_usage_in_a_chunk_of_its_own_when_asked(openai_client: OpenAI) -> None:
    """With `include_usage`, usage is in a last chunk without choices and nowhere else."""
    *others, last = ask(openai_client, stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage.completion_tokens == 8
    assert all(chunk.usage is None for chunk in others)
    assert others[-1].choices[0].finish_reason == "length"


def test_the_system_message_is_heard(openai_client: OpenAI) -> None:
    """What the system message says shapes the answer."""
    answer = ask(
        openai_client,
        messages=[says("Your name is Ferdinand.", "system"), says("What is your name?")],
        max_tokens=12,
    )
    assert "Ferdinand" in answer.choices[0].message.content


def test_earlier_turns_are_heard(openai_client: OpenAI) -> None:
    """What was said in an earlier turn can be asked for in a later one."""
    turns = [says("My name is Ferdinand."), says("Hello Ferdinand!", "assistant"), says("What is my name?")]
    assert "Ferdinand" in ask(openai_client, messages=turns, max_tokens=12).choices[0].message.content


def test_content_in_parts_is_the_same_as_text(openai_client: OpenAI) -> None:
    """A message of text parts is answered like the text they make."""
    parts = [{"type": "text", "text": "What is a mixture "}, {"type": "text", "text": "of experts model?"}]
    in_parts = ask(openai_client, messages=[{"role": "user", "content": parts}])
    assert in_parts.choices[0].message.content == ask(openai_client).choices[0].message.content


def test_several_choices(openai_client: OpenAI) -> None:
    """`n` gives that many choices, whose tokens are added up."""
    answer = ask(openai_client, n=3, temperature=1, seed=7)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1
    assert answer.usage.completion_tokens == 24


def test_several_choices_streamed(openai_client: OpenAI) -> None:
    """Each chunk of a stream says to which choice it belongs; each choice says who speaks and finishes once."""
    chunks = list(ask(openai_client, n=2, stream=True))
    for index in (0, 1):
        own = [chunk.choices[0] for chunk in chunks if chunk.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert [choice.finish_reason for choice in own if choice.finish_reason] == ["length"]
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [16]


@pytest.mark.parametrize("stop", ["mixture", ["zebra", "mixture"]])
def test_stop(openai_client: OpenAI, stop: str | list[str]) -> None:
    """The answer ends before a stop text, given alone or in a list, and says that it did."""
    (choice,) = ask(openai_client, stop=stop, max_tokens=32).choices
    assert choice.finish_reason == "stop"
    assert choice.message.content
    assert "mixture" not in choice.message.content


def test_seed(openai_client: OpenAI) -> None:
    """The same seed gives the same text, another seed another one."""
    first, again, other = (
        ask(openai_client, seed=seed, temperature=1.5, max_tokens=16).choices[0].message.content for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


def test_logprobs(openai_client: OpenAI) -> None:
    """Each token of the answer comes with its probability and the alternatives that were asked for."""
    (choice,) = ask(openai_client, logprobs=True, top_logprobs=2).choices
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == choice.message.content
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)


def test_logprobs_streamed(openai_client: OpenAI) -> None:
    """A stream has them with each piece of text; without `top_logprobs` there are no alternatives."""
    chunks = [chunk.choices[0] for chunk in ask(openai_client, logprobs=True, stream=True)]
    tokens = [token for choice in chunks if choice.logprobs for token in choice.logprobs.content]
    assert "".join(token.token for token in tokens) == "".join(choice.delta.content or "" for choice in chunks)
    assert all(token.top_logprobs == [] for token in tokens)


def test_max_completion_tokens(openai_client: OpenAI) -> None:
    """The newer name of `max_tokens` bounds the answer as well."""
    answer = ask(openai_client, max_tokens=None, max_completion_tokens=3)
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


def test_json_object(openai_client: OpenAI) -> None:
    """`json_object` makes a model that chatters answer with an object."""
    asked = [says('JSON of one city: {"city": "Paris"}')]
    (choice,) = ask(openai_client, messages=asked, max_tokens=60, response_format={"type": "json_object"}).choices
    assert isinstance(json.loads(choice.message.content), dict)


class City(BaseModel):
    """A schema as the client makes it: strict, with every field required."""

    name: str
    continent: Literal["Europe", "Asia"]
    inhabitants: int
    capital: bool


def test_json_schema(openai_client: OpenAI) -> None:
    """An answer by schema is read back into the class that the schema was made of."""
    parsed = openai_client.chat.completions.parse(
        model=ENDPOINT,
        messages=[{"role": "user", "content": "Describe Paris."}],
        response_format=City,
        max_tokens=120,
        temperature=0,
    )
    assert isinstance(parsed.choices[0].message.parsed, City)


@pytest.mark.parametrize("base", ["/serving-endpoints/", "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1"])
def test_other_base_urls(live: Live, base: str) -> None:
    """The AI gateway's paths, and a base URL with a slash at its end, serve the same."""
    with OpenAI(api_key=TOKEN, base_url=live.url + base) as client:
        assert ask(client).usage.completion_tokens == 8


def test_a_served_entity_by_name(openai_client: OpenAI) -> None:
    """`endpoint/entity` as the model asks that entity."""
    answer = ask(openai_client, model=f"{ENDPOINT}/{MODEL}")
    assert answer.usage.completion_tokens == 8


def test_the_list_of_models(openai_client: OpenAI) -> None:
    """The endpoints are listed as models."""
    assert sorted(model.id for model in openai_client.models.list()) == [ENDPOINT, MODEL]


def test_fields_of_the_databricks_api(live: Live, openai_client: OpenAI) -> None:
    """Fields that the client sends as `extra_body` are taken; the request id of the caller is in the log."""
    extra = {"client_request_id": "caller-7", "usage_context": {"team": "blue"}, "top_k": 1}
    with live.calls() as calls:
        raw = openai_client.chat.completions.with_raw_response.create(**asked(extra_body=extra))
    (call,) = calls
    assert call["client_request_id"] == "caller-7"
    assert call["request_id"] == raw.headers["x-request-id"] == raw.headers["databricks-request-id"]
    assert raw.headers["served-model-name"] == MODEL
    assert (call["endpoint"], call["entity"], call["principal"]) == (ENDPOINT, MODEL, "admin")
    assert (call["input_tokens"], call["output_tokens"]) == (raw.parse().usage.prompt_tokens, 8)


def asked(**fields: Any) -> Any:
    """The arguments of `create`."""
    return {"model": ENDPOINT} | chat(**fields)


def test_the_asynchronous_client(live: Live) -> None:
    """Queries that run side by side each get the answer to their own question."""

    async def side_by_side() -> list[Any]:
        async with AsyncOpenAI(api_key=TOKEN, base_url=f"{live.url}/serving-endpoints") as client:
            wanted = [asked(max_tokens=tokens) for tokens in (3, 9, 5)]
            return await asyncio.gather(*(client.chat.completions.create(**one) for one in wanted))

    answers = asyncio.run(side_by_side())
    assert [answer.usage.completion_tokens for answer in answers] == [3, 9, 5]
    assert len({answer.id for answer in answers}) == 3
