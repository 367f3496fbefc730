"""What commands write to standard output: text, tables, JSON.  No colour; a terminal gets no control characters."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec


def text(piece: str) -> None:
    """Write at once.  On a terminal, control characters are dropped: an answer must not drive the terminal."""
    if sys.stdout.isatty():
        piece = "".join(sign for sign in piece if sign.isprintable() or sign in "\n\t")
    sys.stdout.write(piece)
    sys.stdout.flush()


def line(words: str) -> None:
    """Write one line."""
    text(words + "\n")


def note(words: str) -> None:
    """Tell the person something that is no part of the answer."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def data(value: object) -> None:
    """Write a value as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns as wide as they need."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    for row in (headings, *rows):
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def moment(unix_ms: object) -> str:
    """A time of the API for people, in UTC; `never` where there is none."""
    if not isinstance(unix_ms, int) or unix_ms < 0:
        return "never"
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
