"""Hand-made GGUF heads: the smallest files that the reader accepts, and those that it must not."""

from __future__ import annotations

import struct

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"


def text(value: str) -> bytes:
    """A GGUF string: its length in 64 bits, then its bytes."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def string_field(key: str, value: str) -> bytes:
    """One metadata field of type string."""
    return text(key) + struct.pack("<I", 8) + text(value)


def number_field(key: str, value: int) -> bytes:
    """One metadata field of type uint32."""
    return text(key) + struct.pack("<II", 4, value)


def strings_field(key: str, values: list[str]) -> bytes:
    """One metadata field of type array of strings."""
    return text(key) + struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(value) for value in values)


def head(*fields: bytes, magic: bytes = b"GGUF", version: int = 3, count: int | None = None) -> bytes:
    """A whole file: the fixed head and the fields."""
    return magic + struct.pack("<IQQ", version, 0, len(fields) if count is None else count) + b"".join(fields)


def small_model(template: str = TEMPLATE, seed: str = "") -> bytes:
    """A sound head, of which `seed` changes the hash alone."""
    return head(
        string_field("general.architecture", "llama"),
        strings_field("tokenizer.ggml.tokens", ["a", "b", ""]),
        number_field("llama.context_length", 2048),
        string_field("general.license", "apache-2.0"),
        string_field("tokenizer.chat_template", template),
        string_field("test.seed", seed),
    )
