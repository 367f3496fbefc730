"""The reader takes sound heads and refuses every lie about a length."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.domain.errors import BadRequest
from cloche.engine.gguf import read_header
from gguf_files import head, number_field, small_model, string_field, text

HUGE = 1 << 60


def test_a_sound_head_is_read(tmp_path: Path) -> None:
    """Architecture, context length, licence and template come out; the vocabulary is stepped over."""
    path = tmp_path / "model.gguf"
    path.write_bytes(small_model())
    header = read_header(path)
    assert (header.architecture, header.context_length, header.licence) == ("llama", 2048, "apache-2.0")
    assert header.has_tool_template is False


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([string_field("tokenizer.chat_template", "{% if tools %}x{% endif %}")], True),
        ([string_field("tokenizer.chat_template.tool_use", "{{ tools }}")], True),
        ([string_field("tokenizer.chat_template", "x"), string_field("other", "tools")], False),
        ([], False),
    ],
)
def test_a_tool_template_is_one_that_speaks_of_tools(tmp_path: Path, fields: list[bytes], expected: bool) -> None:
    """Any chat template of the file counts, and nothing else."""
    path = tmp_path / "model.gguf"
    path.write_bytes(head(*fields))
    assert read_header(path).has_tool_template is expected


BAD = {
    "empty": b"",
    "short": b"GGUF\x03\x00",
    "zip": head(magic=b"PK\x03\x04"),
    "version 1": head(version=1),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "fields beyond the end": head(number_field("a", 1), count=2),
    "too many fields": head(count=HUGE),
    "huge key": head(struct.pack("<Q", HUGE)),
    "huge text": head(text("a") + struct.pack("<IQ", 8, HUGE)),
    "text beyond the end": head(text("a") + struct.pack("<IQ", 8, 1000)),
    "huge array": head(text("a") + struct.pack("<IIQ", 9, 0, HUGE)),
    "array beyond the end": head(text("a") + struct.pack("<IIQ", 9, 12, 1 << 20)),
    "array of strings beyond the end": head(text("a") + struct.pack("<IIQQ", 9, 8, 2, HUGE)),
    "array of arrays": head(text("a") + struct.pack("<IIQ", 9, 9, 1)),
    "unknown type": head(text("a") + struct.pack("<I", 99)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_lying_head_is_refused(tmp_path: Path, name: str) -> None:
    """Each is a BadRequest that names the file, and costs neither memory nor time."""
    path = tmp_path / "evil.gguf"
    path.write_bytes(BAD[name])
    with pytest.raises(BadRequest, match=r"evil\.gguf"):
        read_header(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, len(small_model())), junk=st.binary(max_size=40))
def test_no_bytes_make_it_fall_over(tmp_path: Path, cut: int, junk: bytes) -> None:
    """Whatever stands in the file, the outcome is a header or a BadRequest."""
    path = tmp_path / "model.gguf"
    path.write_bytes(small_model()[:cut] + junk)
    try:
        read_header(path)
    except BadRequest:
        pass
