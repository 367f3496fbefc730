"""Compressed bodies: what was compressed comes back, and nothing inflates beyond the bound."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec.compression import decompress
from cloche.domain.errors import BadRequest

BODY = b'{"messages": []}' * 100
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
MIB = 1024 * 1024


@pytest.mark.parametrize("encoding", PACKED)
@given(body=st.binary(max_size=200))
def test_what_was_compressed_comes_back(encoding: str, body: bytes) -> None:
    """Every encoding gives the body again, an empty one too."""
    assert decompress(PACKED[encoding](body), encoding, 1000) == body


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_no_encoding_is_no_change(encoding: str) -> None:
    """A body that is not compressed stays as it is."""
    assert decompress(BODY, encoding, 10) is BODY


@pytest.mark.parametrize("encoding", ["br", "GZIP2", "gzip, gzip"])
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    """An encoding that cloche does not read is named, with those that it does."""
    with pytest.raises(
        BadRequest, match=rf"^Content-Encoding: '{encoding}' is not supported; use gzip, deflate or zstd$"
    ):
        decompress(BODY, encoding, 10)


@pytest.mark.parametrize("encoding", PACKED)
def test_the_limit_is_exact(encoding: str) -> None:
    """As many bytes as the limit says pass; one more does not."""
    packed = PACKED[encoding](BODY)
    assert decompress(packed, encoding, len(BODY)) == BODY
    with pytest.raises(
        BadRequest, match=rf"^the body inflates to more than {len(BODY) - 1} bytes, which is the limit$"
    ):
        decompress(packed, encoding, len(BODY) - 1)


@pytest.mark.parametrize("encoding", PACKED)
def test_a_bomb_costs_no_more_memory_than_the_limit(encoding: str) -> None:
    """A body that would inflate to 200 MiB is refused before it takes more than a few times the limit."""
    packed = PACKED[encoding](bytes(200 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest, match="inflates to more than"):
            decompress(packed, encoding, MIB)
        assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", PACKED)
def test_a_body_that_is_cut_short_is_refused(encoding: str) -> None:
    """Wherever a compressed body is cut, it is refused and never taken for a shorter one."""
    packed = PACKED[encoding](BODY)
    for length in range(len(packed)):
        with pytest.raises(BadRequest):
            decompress(packed[:length], encoding, MIB)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("surplus", [b"x", b"\0" * 8])
def test_surplus_bytes_are_refused(encoding: str, surplus: bytes) -> None:
    """Bytes behind the compressed body are not ignored: another reader might not ignore them."""
    with pytest.raises(BadRequest):
        decompress(PACKED[encoding](BODY) + surplus, encoding, MIB)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("body", [b"", b"{}", b"\x1f\x8b", b"\x28\xb5\x2f\xfd\xff\xff\xff"], ids=repr)
def test_what_is_not_compressed_is_refused(encoding: str, body: bytes) -> None:
    """A body that is not what its header says is the caller's fault."""
    with pytest.raises(BadRequest):
        decompress(body, encoding, MIB)


def test_a_window_larger_than_the_bound_is_refused() -> None:
    """A zstd frame that declares a huge window is refused rather than given the memory."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(BODY) + packer.flush()
    with pytest.raises(BadRequest, match="could not be inflated"):
        decompress(packed, "zstd", MIB)
