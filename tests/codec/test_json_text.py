"""Strict JSON: duplicate keys and bad UTF-8 are found, and faults bear the path of the field."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec import json_text
from cloche.domain.errors import BadRequest

DUPLICATES = {
    b'{"a":1,"a":2}': "a",
    b'{"a" :1,"a":2}': "a",
    b'{"a"\n:1,"a"\t:2}': "a",
    b'{"a":1,"\\u0061":2}': "a",
    b'{"a":{"b":1,"b":1}}': "a.b",
    b'{"x":1,"a":[0,{"b":[{"c":1,"c":{}}]}]}': "a[1].b[0].c",
    b'[[{"k":1,"k":1}]]': "[0][0].k",
    b'{"a\\"b":1,"a\\"b":2}': 'a"b',
    b'{"":1,"":2}': "",
    b'{"a":{"a":{"a":1,"a":2}}}': "a.a.a",
    '{"é":1,"é":2}'.encode(): "é",
    b'{"text":"\\":","a":1,"a":2}': "a",
}


@pytest.mark.parametrize(("body", "path"), DUPLICATES.items(), ids=str)
@pytest.mark.parametrize("plain_keys", [-1, 0])
def test_a_key_that_is_there_twice_is_named(body: bytes, path: str, plain_keys: int) -> None:
    """A repeated key is refused at any depth, however it is written, and the message opens with its path."""
    with pytest.raises(BadRequest) as caught:
        json_text.check_duplicate_keys(body, plain_keys)
    assert caught.value.message == f"{path}: the field is given twice"


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"1",
        b'{"a":1,"b":{"a":1}}',
        b'[{"a":1},{"a":1}]',
        b'{"a":"\\"a\\":1, \\"a\\":2"}',
        b'{"a":"b : c","b":": "}',
    ],
    ids=repr,
)
def test_keys_that_differ_in_place_or_kind_are_no_repetition(body: bytes) -> None:
    """The same key in different objects, and text that looks like a key, is let be."""
    for plain_keys in range(-1, 6):
        json_text.check_duplicate_keys(body, plain_keys)


class Pairs(list[tuple[str, Any]]):
    """An object as it is written: keys may repeat."""


def written(value: Any, blank: str) -> str:
    """The JSON text of a value, with `blank` around its colons."""
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}{blank}:{blank}{written(inner, blank)}" for key, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(inner, blank) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def repeats(value: Any) -> bool:
    """Whether any object in it has a key twice: the slow way."""
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        return len(set(keys)) < len(keys) or any(repeats(inner) for _, inner in value)
    return isinstance(value, list) and any(map(repeats, value))


def keys_left(value: Any) -> int:
    """How many keys decoding leaves, as a decoder that does not look for repetitions would count them."""
    if isinstance(value, Pairs):
        last = dict(value)
        return len(last) + sum(map(keys_left, last.values()))
    return sum(map(keys_left, value)) if isinstance(value, list) else 0


TEXT = st.one_of(
    st.sampled_from(["a", "b", '"', '":', "\\", " :", ""]), st.text(st.characters(exclude_categories=["Cs"]))
)
DOCUMENT = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.lists(st.tuples(TEXT, inner), max_size=4).map(Pairs),
    max_leaves=20,
)


@given(document=DOCUMENT, blank=st.sampled_from(["", "", " ", "\n", "\t "]), known=st.booleans())
def test_the_check_agrees_with_a_slow_one(document: Any, blank: str, known: bool) -> None:
    """For any document the check finds a repetition exactly if there is one, also where the number of its keys is
    known."""
    body = written(document, blank).encode()
    try:
        json_text.check_duplicate_keys(body, keys_left(document) if known else -1)
    except BadRequest:
        refused = True
    else:
        refused = False
    assert refused is repeats(document)


@pytest.mark.parametrize(
    ("body", "position"),
    [(b"\xff", 0), (b'{"a":"\xc3"}', 6), (b"caf\xc3\xa9 \xed\xa0\x80", 6), (b"a\xf5", 1)],
    ids=repr,
)
def test_the_first_bad_byte_is_named(body: bytes, position: int) -> None:
    """Bytes that are no UTF-8 are refused with their position; surrogates are no UTF-8."""
    with pytest.raises(BadRequest, match=f"not valid UTF-8: bad byte at position {position}$"):
        json_text.check_utf8(body)


@pytest.mark.parametrize("body", [b"", b"ascii", "grüße 🦆 \U0010ffff".encode()], ids=repr)
def test_good_utf8_passes(body: bytes) -> None:
    """All of Unicode passes."""
    json_text.check_utf8(body)


class Inner(msgspec.Struct):
    """One level down."""

    number: int


class Outer(msgspec.Struct):
    """A shape to be wrong about."""

    items: list[Inner]
    either: int | str | None = None


FAULTS = {
    b"": "the body is not valid JSON: ",
    b"{": "the body is not valid JSON: ",
    b'{"items": []} x': "the body is not valid JSON: trailing characters",
    b'{"items": NaN}': "the body is not valid JSON: ",
    b"[]": "the body: expected object, got array",
    b"{}": "items: this field is required",
    b'{"items": [{"number": 1}, {}]}': "items[1].number: this field is required",
    b'{"items": [{"number": "1"}]}': "items[0].number: expected int, got str",
    b'{"items": [], "either": 1.5}': "either: expected int | str | null, got float",
}


@pytest.mark.parametrize(("body", "message"), FAULTS.items(), ids=str)
def test_faults_bear_the_path_of_the_field(body: bytes, message: str) -> None:
    """What the decoder says becomes a plain sentence that opens with the field's path."""
    with pytest.raises(BadRequest, match="^" + re.escape(message)):
        _decode(body)


def test_long_keys_cost_no_more_than_their_length() -> None:
    """The path of a duplicate is put together once, and cut: long keys with many children do not multiply."""
    key = "k" * 200_000
    body = b'{"' + key.encode() + b'": [' + b'{"a":1},' * 1_000 + b'{"b":1,"b":2}]}'
    tracemalloc.start()
    with pytest.raises(BadRequest) as caught:
        json_text.check_duplicate_keys(body, -1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * len(body)
    assert len(caught.value.message) < 400


def test_a_body_of_objects_is_bounded() -> None:
    """A body that is nothing but small objects is refused before it keeps the server busy."""
    with pytest.raises(BadRequest, match="more than 50000 objects"):
        json_text.check_duplicate_keys(b"[" + b'{"a" :1},' * 60_000 + b"1]", -1)


def test_colons_in_text_do_not_count() -> None:
    """However many colons a text has, the answer is the same."""
    for count in (4094, 4096, 4098, 1_000_000):
        json_text.check_duplicate_keys(b'{"a":"' + b":" * count + b'"}', 1)


def test_deep_nesting_is_refused() -> None:
    """Nesting beyond the interpreter's limit is the caller's fault, in both readers."""
    deep = b'{"items": [], "more": ' + b"[" * 100_000
    with pytest.raises(BadRequest, match="nested too deeply"):
        _decode(deep)
    with pytest.raises(BadRequest, match="nested too deeply"):
        json_text.check_duplicate_keys(b"[" * 100_000 + b'{"a" :1}' + b"]" * 100_000, -1)


def _decode(body: bytes) -> None:
    try:
        msgspec.json.decode(body, type=Outer)
    except (msgspec.DecodeError, RecursionError) as error:
        json_text.raise_bad_request(error)
