"""Values that come one on each line, however the bytes are cut."""

from __future__ import annotations

import pytest

from cloche.codec.lines import LineDecoder
from cloche.codec.sse import MAX_EVENT
from cloche.domain.errors import ProviderBroken

from .cuts import every_way


def test_lines_in_every_cut() -> None:
    """LF and CRLF end a line, blank lines are none, and the last line needs no end."""
    for name, pieces in every_way(b'{"a": "\xe2\x98\x82"}\n\r\n{"b": 1}\r\n \n{"c": 2}'):
        decoder = LineDecoder()
        lines = [line for piece in pieces for line in decoder.feed(piece)] + decoder.close()
        assert lines == ['{"a": "☂"}'.encode(), b'{"b": 1}', b'{"c": 2}'], name
        assert decoder.close() == []


def test_a_line_without_end() -> None:
    """A provider that never ends its line is broken before it has taken the memory."""
    decoder = LineDecoder()
    for _ in range(8):
        assert decoder.feed(b"x" * (MAX_EVENT // 8)) == []
    with pytest.raises(ProviderBroken, match="32 MiB"):
        decoder.feed(b"x")
