"""How far cloche is compatible with the Databricks API: one entry for each operation, kept in compatibility.json.

The file is written by hand and checked by tests: every route and every method of the public clients has an entry, and
every test that an entry names is there.  docs/compatibility.md is made from it.
"""

from __future__ import annotations

from importlib import resources
from typing import Literal

import msgspec

Support = Literal["supported", "partial", "not supported"]


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One operation.  `why`: what is missing, where anything is.  `test`: FILE::NAME of the test that proves it."""

    operation: str
    support: Support
    route: str = ""
    why: str = ""
    test: str = ""


def document() -> bytes:
    """The file as it is served."""
    return resources.files("cloche.http").joinpath("compatibility.json").read_bytes()


def operations() -> list[Operation]:
    """Every entry, in the order of the file."""
    return msgspec.json.decode(document(), type=dict[str, list[Operation]])["operations"]


def table() -> str:
    """The entries as Markdown, for docs/compatibility.md."""
    rows = [
        f"| `{each.operation}` | {f'`{each.route}`' if each.route else ''} | {each.support} | {each.why} |"
        for each in operations()
    ]
    return "\n".join(["| operation | route | support | remarks |", "| --- | --- | --- | --- |", *rows, ""])
