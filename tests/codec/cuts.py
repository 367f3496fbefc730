"""The ways a stream of bytes is cut before it is fed: whole, byte by byte, and at seeded random places.

A decoder is right only if all of them give the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise


def whole(data: bytes) -> list[bytes]:
    """In one piece."""
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    """Byte by byte."""
    return [data[at : at + 1] for at in range(len(data))]


def at(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut at `places`, given in any order; places beyond the end do not count."""
    borders = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


def randomly(data: bytes, seed: int) -> list[bytes]:
    """Cut at up to 8 places that `seed` chooses."""
    dice = random.Random(seed)
    return at(data, (dice.randrange(1, max(2, len(data))) for _ in range(dice.randint(1, 8))))


def every_way(data: bytes, *, seeds: int = 20) -> Iterator[tuple[str, list[bytes]]]:
    """Each way with its name, for messages."""
    ways: dict[str, Callable[[bytes], list[bytes]]] = {"whole": whole, "bytewise": bytewise}
    for name, cut in ways.items():
        yield name, cut(data)
    for seed in range(seeds):
        yield f"seed {seed}", randomly(data, seed)
