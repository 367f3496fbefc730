"""Whatever a client sends, reading it gives a request or a BadRequest, and what was read can be sent on and logged."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.domain.chat import ChatParams, ChatRequest
from cloche.domain.errors import BadRequest
from cloche.domain.outbound import Origin
from cloche.providers.local import EngineAddress, LocalTranslator
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.site import Site
from cloche.wire import errors
from cloche.wire.openai import read_chat

ORIGIN = Origin("127.0.0.1", 9)
PROVIDER = OpenAIShaped("m", Site("openai", ORIGIN, b""))
ENGINE = LocalTranslator(EngineAddress(ORIGIN, "key", "m"), context_length=2048, max_tokens_default=10)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**62, 2**66)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FIELD = st.sampled_from(ChatParams.__struct_fields__)
WORD = st.sampled_from(
    ["user", "assistant", "tool", "text", "image_url", "function", "auto", "json_schema", "f", "1", ""]
)
KEY = st.sampled_from(
    [
        "role",
        "content",
        "type",
        "text",
        "image_url",
        "url",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "id",
        "parameters",
        "schema",
        "tool_call_id",
    ]
)
LIKELY = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 0.5, 2**70]) | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4),
    max_leaves=12,
)
MESSAGE = st.fixed_dictionaries({"role": WORD}, optional={"content": LIKELY, "tool_calls": LIKELY, "name": WORD})
GOOD_MESSAGES = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": TEXT}), min_size=1, max_size=2)


def used(body: bytes) -> ChatRequest | None:
    """What becomes of a body at every later stage; None if it was refused."""
    try:
        request = read_chat(body)
    except BadRequest as problem:
        json.loads(errors.body(problem))
        return None
    for stream in (False, True):
        json.loads(b"".join(bytes(piece) for piece in PROVIDER.encode(request, stream=stream).body))
    try:
        ENGINE.decoder(request, 0)
        json.loads(b"".join(bytes(piece) for piece in ENGINE.encode(request, 1).body))
    except BadRequest as problem:
        errors.body(problem)
    return request


@given(body=st.binary(max_size=60))
def test_random_bytes(body: bytes) -> None:
    """Random bytes are refused, and nothing else happens."""
    assert used(body) is None


@given(document=JSON)
def test_random_json(document: Any) -> None:
    """Random JSON is refused, and nothing else happens."""
    assert used(json.dumps(document).encode()) is None


@settings(max_examples=300)
@given(messages=st.lists(MESSAGE, max_size=3), fields=st.dictionaries(FIELD, LIKELY, max_size=4))
def test_documents_that_are_nearly_requests(messages: list[Any], fields: dict[str, Any]) -> None:
    """Known fields with values of any shape are either refused or can be sent to every provider."""
    used(json.dumps({**fields, "messages": messages}).encode())


@settings(max_examples=200)
@given(messages=GOOD_MESSAGES, fields=st.dictionaries(FIELD, LIKELY, max_size=3), extra=st.dictionaries(FIELD, LIKELY))
def test_good_messages_with_any_fields(messages: list[Any], fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """The same with messages that pass, and with the fields of `extra_params`."""
    used(json.dumps({**fields, "messages": messages, "extra_params": extra}).encode())


@given(body=st.binary(max_size=30), place=st.integers(0, 60))
def test_a_request_with_bytes_changed(body: bytes, place: int) -> None:
    """A good request with some bytes overwritten is refused or still a request."""
    good = b'{"messages": [{"role": "user", "content": "hello there"}], "temperature": 0.5}'
    used(good[:place] + body + good[place + len(body) :])


@given(
    messages=GOOD_MESSAGES,
    extra=st.dictionaries(TEXT.map(lambda name: "x_" + name), JSON, max_size=4),
    blank=st.sampled_from(["", " ", "\n  "]),
    stream=st.booleans(),
)
def test_unknown_fields_reach_the_provider_byte_for_byte(
    messages: list[Any], extra: dict[str, Any], blank: str, stream: bool
) -> None:
    """Fields that cloche does not know go on in the very bytes that the client wrote."""
    written = {name: json.dumps(value, separators=(f",{blank}", f":{blank}")) for name, value in extra.items()}
    pairs = {"messages": json.dumps(messages), "temperature": "1.50", **written}
    body = "{" + ",".join(f"{json.dumps(name)}:{blank}{value}" for name, value in pairs.items()) + "}"
    request = read_chat(body.encode())
    sent = b"".join(bytes(piece) for piece in PROVIDER.encode(request, stream=stream).body)
    fields = msgspec.json.decode(sent, type=dict[str, msgspec.Raw])
    assert {name: bytes(fields[name]).decode() for name in pairs} == pairs


@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\ud83e", "\\udd86\\ud83e"])
@pytest.mark.parametrize(
    "body", ['{"messages":[{"role":"user","content":"%s"}]}', '{"%s":1}', '{"messages":[],"x":["%s"]}']
)
def test_half_a_surrogate_pair_is_refused(body: str, escape: str) -> None:
    """Half a surrogate pair is no text: it is refused at the door, so that no later stage can stumble over it."""
    assert used((body % escape).encode()) is None


def test_text_beyond_the_basic_plane_goes_through() -> None:
    """A whole surrogate pair is a character like any other."""
    request = used(b'{"messages":[{"role":"user","content":"\\ud83e\\udd86"}],"user":"\xf0\x9f\xa6\x86"}')
    assert request is not None
    assert request.params.messages[0].text() == request.params.user == "🦆"
