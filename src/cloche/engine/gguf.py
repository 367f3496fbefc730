"""Reads the metadata at the head of a GGUF file.

A model file comes from strangers, so no length in it is believed before it is held against the size of the file and a
limit of ours; arrays (the vocabulary) are stepped over, never kept.  It knows neither the catalogue nor llama.cpp, so
that a file can be judged before native code touches it.  The format: github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import msgspec

from cloche.domain.errors import BadRequest

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_FIELDS = 65_536
MAX_KEY_BYTES = 65_535
MAX_TEXT_BYTES = 1 << 20
MAX_ELEMENTS = 1 << 24

STRING = 8
ARRAY = 9
SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
U32 = SCALARS[4]
U64 = SCALARS[10]

Value = str | int | float | bool


class Header(msgspec.Struct, frozen=True):
    """What cloche wants to know of a model file.  `context_length` is in tokens, as trained; 0 where it is not told."""

    architecture: str
    context_length: int
    licence: str
    chat_templates: tuple[str, ...]

    @property
    def has_tool_template(self) -> bool:
        """Whether a chat template of the model speaks of tools."""
        return any("tools" in template for template in self.chat_templates)


def read_header(path: Path) -> Header:
    """The header of the file at `path`.

    Raises BadRequest for anything that is no sound GGUF file, and OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        fields = _Reader(file, path.stat().st_size, path.name).fields()
    architecture = str(fields.get("general.architecture", ""))
    context_length = fields.get(f"{architecture}.context_length", 0)
    return Header(
        architecture=architecture,
        context_length=context_length if isinstance(context_length, int) else 0,
        licence=str(fields.get("general.license", "")),
        chat_templates=tuple(
            value
            for key, value in fields.items()
            if key.startswith("tokenizer.chat_template") and isinstance(value, str)
        ),
    )


class _Reader:
    """A cursor over one file that refuses to read past its end."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._left = size
        self._name = name

    def fields(self) -> dict[str, Value]:
        """All scalar metadata by key."""
        if self._left < 24 or self._take(4) != MAGIC:
            raise self._wrong("it is no GGUF file")
        version = self._number(U32)
        if version not in VERSIONS:
            raise self._wrong(f"GGUF version {version} is not supported, only {VERSIONS[0]} and {VERSIONS[1]}")
        self._number(U64)  # the count of tensors, which llama.cpp checks for itself
        count = self._number(U64)
        if count > MAX_FIELDS:
            raise self._wrong(f"it claims {count} metadata fields")
        fields: dict[str, Value] = {}
        for _ in range(count):
            key = self._text(MAX_KEY_BYTES)
            value = self._value(self._number(U32))
            if value is not None:
                fields[key] = value
        return fields

    def _value(self, kind: int) -> Value | None:
        """The next value; None for an array, which is only stepped over."""
        if kind == STRING:
            return self._text(MAX_TEXT_BYTES)
        if kind == ARRAY:
            self._step_over_array()
            return None
        scalar = SCALARS.get(kind)
        if scalar is None:
            raise self._wrong(f"it has a metadata value of unknown type {kind}")
        value: Value = scalar.unpack(self._take(scalar.size))[0]
        return value

    def _step_over_array(self) -> None:
        kind = self._number(U32)
        count = self._number(U64)
        if count > MAX_ELEMENTS:
            raise self._wrong(f"it has an array of {count} elements")
        if kind == STRING:
            for _ in range(count):
                self._skip(self._number(U64))
        elif kind in SCALARS:
            self._skip(count * SCALARS[kind].size)
        else:
            # Arrays of arrays are allowed by the format, but no model uses them, and their depth has no limit.
            raise self._wrong(f"it has an array of type {kind}")

    def _text(self, limit: int) -> str:
        length = self._number(U64)
        if length > limit:
            raise self._wrong(f"it has a text of {length} bytes in its metadata")
        return self._take(length).decode("utf-8", "replace")

    def _number(self, shape: struct.Struct) -> int:
        number: int = shape.unpack(self._take(shape.size))[0]
        return number

    def _take(self, length: int) -> bytes:
        self._spend(length)
        data = self._file.read(length)
        if len(data) != length:
            raise self._wrong("it ends too early")
        return data

    def _skip(self, length: int) -> None:
        self._spend(length)
        self._file.seek(length, 1)

    def _spend(self, length: int) -> None:
        if length > self._left:
            raise self._wrong("it ends too early")
        self._left -= length

    def _wrong(self, why: str) -> BadRequest:
        return BadRequest(f"{self._name} cannot be used as a model: {why}.")
