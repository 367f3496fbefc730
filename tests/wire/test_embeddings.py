"""What a request for embeddings may say, and how vectors are written."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.chat import Usage
from cloche.domain.embedding import Embeddings
from cloche.domain.errors import BadRequest, ProviderBroken
from cloche.wire.embeddings import read_embeddings, write_embeddings

WRONG: dict[bytes, str] = {
    b"": "the body is not valid JSON",
    b"{}": "input:",
    b'{"input": ""}': "input:",
    b'{"input": []}': "input:",
    b'{"input": [""]}': "input[0]:",
    b'{"input": [[]]}': "input[0]:",
    b'{"input": 5}': "input:",
    b'{"input": "a", "dimensions": 0}': "dimensions:",
    b'{"input": "a", "encoding_format": "hex"}': "encoding_format:",
    b'{"input": "a", "input": "b"}': "input: the field is given twice",
    b'{"messages": []}': "messages: an embeddings endpoint takes",
    b'{"messages": [], "input": "a"}': "messages: an embeddings endpoint takes",
}


@pytest.mark.parametrize(("body", "message"), WRONG.items(), ids=lambda value: repr(value)[:50])
def test_what_is_wrong_is_named(body: bytes, message: str) -> None:
    """A body that is no request is refused with the name of what is wrong."""
    with pytest.raises(BadRequest) as caught:
        read_embeddings(body)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("texts", "count"), [("a", 1), (["a"], 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2, 3]], 2)]
)
def test_how_many_vectors_are_asked_for(texts: Any, count: int) -> None:
    """One for each text; a list of tokens is one text."""
    assert read_embeddings(json.dumps({"input": texts}).encode()).count == count


def test_texts() -> None:
    """A text is a list of one, and tokens are named by their place."""
    assert read_embeddings(b'{"input": "a"}').texts() == ["a"]
    assert read_embeddings(b'{"input": ["a", "b"]}').texts() == ["a", "b"]
    with pytest.raises(BadRequest, match=r"input\[1\]: this provider takes texts"):
        read_embeddings(b'{"input": ["a", 5]}').texts()


def test_extra_params_are_merged() -> None:
    """The SDK's map of strings stands at top level, its strings read as what they say."""
    read = read_embeddings(b'{"input": "a", "extra_params": {"dimensions": "4", "input_type": "search_query"}}')
    assert read.params.dimensions == 4
    assert bytes(read.fields["input_type"]) == b'"search_query"'


def test_a_stream_is_not_asked_for() -> None:
    """A client that streams by itself gets its vectors, and no provider is told of the wish."""
    read = read_embeddings(b'{"input": "a", "stream": true, "stream_options": {"include_usage": true}}')
    assert read.fields.keys() == {"input"}


def test_an_answer() -> None:
    """Vectors are numbered, the model is named, and usage is there if it is known."""
    answer = json.loads(write_embeddings(Embeddings([[0.5, 1.0], [2.0, 3.0]], Usage(4, 0)), "m", None))
    assert answer == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]},
            {"object": "embedding", "index": 1, "embedding": [2.0, 3.0]},
        ],
        "model": "m",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    assert "usage" not in json.loads(write_embeddings(Embeddings([[0.5]], None), "m", None))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_both_forms_hold_the_same_numbers(vector: list[float]) -> None:
    """A vector that goes out as base64 and is read back has the numbers that it had."""
    packed = json.loads(write_embeddings(Embeddings([list(vector)], None), "m", "base64"))["data"][0]["embedding"]
    assert list(struct.unpack(f"<{len(vector)}f", base64.b64decode(packed))) == vector
    again = json.loads(write_embeddings(Embeddings([packed], None), "m", "float"))["data"][0]["embedding"]
    assert again == vector


@pytest.mark.parametrize(("vector", "form"), [("not base64!", "float"), ("AAA=", "float"), ([1e300], "base64")])
def test_a_vector_that_is_none(vector: Any, form: str) -> None:
    """What cannot be written as the client wants it is the provider's fault."""
    with pytest.raises(ProviderBroken):
        write_embeddings(Embeddings([vector], None), "m", form)
