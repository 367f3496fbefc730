"""Arguments of tool calls, which a message bears as JSON text, for dialects that want an object.

Must not know the dialects.
"""

from __future__ import annotations

import msgspec

from cloche.domain.errors import BadRequest


def arguments_of(text: str, path: str, provider: str) -> dict[str, msgspec.Raw]:
    """The arguments as an object; their values stay the bytes they were.  BadRequest, with the path, for what is
    none."""
    if not text.strip():
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise BadRequest(f"{path}: must be the JSON of an object for {provider}") from None
