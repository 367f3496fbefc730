"""What the host hands to a worker when it starts it: settings and keys, over a pipe.

Not as arguments or variables, which other users of the machine may be able to see.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cloche.settings import Settings


class Handover(msgspec.Struct, frozen=True):
    """`master_keys`: of sealed values; `sealed_token_key`: the key of token digests, sealed."""

    settings: Settings
    master_keys: tuple[bytes, ...]
    sealed_token_key: bytes

    def __repr__(self) -> str:
        return "Handover(…)"


class Received(msgspec.Struct, frozen=True):
    """The same at the other end, with the descriptors of the listening socket and of the channel to the host, and which
    of the workers it is, from 0 on."""

    handover: Handover
    listener: int
    channel: int
    place: int


def encode(received: Received) -> bytes:
    """As bytes for the pipe."""
    return msgspec.json.encode(received, enc_hook=str)


def decode(data: bytes) -> Received:
    """From the pipe."""
    return msgspec.json.decode(data, type=Received, dec_hook=_path)


def _path(kind: type, value: Any) -> Any:
    if kind is not Path:
        raise NotImplementedError
    return Path(value)
