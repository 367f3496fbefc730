"""What can be measured: reads `gateways.toml` and fills the @words@ in commands and configurations.

This module starts nothing and installs nothing: it must stay the one place where the table's words have a meaning.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
PEERS = HERE.parent / ".cache" / "bench"
TOKEN = "dapi0123456789abcdef0123456789abcdef"


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of `gateways.toml`; the fields are explained at its head."""

    title: str
    command: tuple[str, ...]
    path: str
    name: str = ""
    pip: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    overrides: dict[str, str] = {}
    program: str = ""
    conf: str = ""
    model: str = ""
    headers: dict[str, str] = {}
    env: dict[str, str] = {}
    own_port: bool = False

    @property
    def folder(self) -> Path:
        """Where its packages are, or would be."""
        return PEERS / self.name

    @property
    def is_peer(self) -> bool:
        """Whether it has packages of its own to install."""
        return bool(self.pip or self.npm)

    def found_program(self) -> Path | None:
        """The installed program, or None where it is not there."""
        return next(iter(sorted(self.folder.glob(self.program))), None)


def read(table: Path = HERE / "gateways.toml") -> dict[str, Gateway]:
    """All gateways by name, in the table's order.  Raises msgspec.ValidationError on a word it does not know."""
    rows = tomllib.loads(table.read_text())
    return {name: msgspec.convert({"name": name, **row}, Gateway) for name, row in rows.items()}


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with every @word@ replaced; an unknown word stays, since configurations may hold an @ of their own."""
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
