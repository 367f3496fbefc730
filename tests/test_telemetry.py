"""Lines per call and the log that writes them: shapes, forged values, and sinks that are full, closed or stuck."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from cloche import telemetry
from cloche.telemetry import CallLog, CallRecord, Format


def record(**over: object) -> CallRecord:
    """A typical call."""
    told: dict[str, object] = {
        "time": 1763812984.1234,
        "request_id": "abc",
        "method": "POST",
        "path": "/serving-endpoints/chat/invocations",
        "status": 200,
        "duration_ms": 12.3,
        "endpoint": "chat",
        "entity": "small",
        "principal": "admin",
        "stream": True,
        "input_tokens": 19,
        "output_tokens": 24,
        "first_byte_ms": 3.2,
    }
    return CallRecord(**(told | over))  # type: ignore[arg-type]


@pytest.fixture
def clean_logging() -> Iterator[None]:
    """The process's logging, put back after the test."""
    root, ours = logging.getLogger(), logging.getLogger("cloche")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


def test_plain_line() -> None:
    """A plain line reads from time to id, with what is known only."""
    line = telemetry.call_lines("plain")(record()).decode()
    assert line[12:] == (
        " 200 POST /serving-endpoints/chat/invocations endpoint=chat entity=small user=admin"
        " 12ms ttfb=3ms in=19 out=24 stream id=abc\n"
    )
    failed = record(status=429, outcome="error", error_code="REQUEST_LIMIT_EXCEEDED", detail="too many calls")
    assert telemetry.call_lines("plain")(failed).endswith(b' error REQUEST_LIMIT_EXCEEDED id=abc "too many calls"\n')
    translated = record(translation="mapped=stop; dropped=seed")
    assert telemetry.call_lines("plain")(translated).endswith(b' id=abc translation="mapped=stop; dropped=seed"\n')


def test_json_line() -> None:
    """A JSON line has the record's fields, with the time as RFC 3339."""
    told = json.loads(telemetry.call_lines("json")(record()))
    assert told["time"] == "2025-11-22T12:03:04.123Z"
    assert set(told) == set(CallRecord.__struct_fields__)
    assert (told["status"], told["input_tokens"], told["client_request_id"]) == (200, 19, None)


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize(
    "value", ["a\n200 GET /forged", "x" * 1_000_000, "\x1b[2J", "\ud800", 'a" b', "\u2028", "日本"]
)
def test_no_value_can_forge_or_flood_a_line(form: Format, value: str) -> None:
    """Whatever a client chose as id, a call is one short line without control characters."""
    line = telemetry.call_lines(form)(record(client_request_id=value, detail=value))
    text = line.decode()
    assert text.count("\n") == 1
    assert len(text.splitlines()) == 1 or form == "json"
    assert text[:-1].isprintable() or form == "json"
    assert b"\x1b" not in line
    assert len(line) < 4096


def test_formatting_is_cheap() -> None:
    """A line costs microseconds: the limit is ten times what was measured, against noise."""
    for form, limit in (("plain", 30e-6), ("json", 20e-6)):
        make, one = telemetry.call_lines("json" if form == "json" else "plain"), record()
        start = time.process_time()
        for _ in range(5000):
            make(one)
        assert (time.process_time() - start) / 5000 < limit


def test_lines_of_one_turn_are_one_write(tmp_path: Path) -> None:
    """Lines recorded in one turn of the loop reach the sink after it, in order and whole."""

    async def scene() -> None:
        with (tmp_path / "log").open("wb", buffering=0) as sink:
            log = CallLog(sink, asyncio.get_running_loop())
            for number in range(1000):
                log.take(b"line %d\n" % number)
                log.flush_soon()
            assert (tmp_path / "log").read_bytes() == b""
            await asyncio.sleep(0.01)
            assert (tmp_path / "log").read_bytes() == b"".join(b"line %d\n" % number for number in range(1000))
            assert log.lost == 0

    asyncio.run(scene())


def test_a_full_disk_costs_lines_but_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """On a full disk lines are counted as lost, with one warning."""

    async def scene() -> None:
        with open("/dev/full", "wb", buffering=0) as sink:
            log = CallLog(sink, asyncio.get_running_loop())
            for _ in range(5):
                log.take(b"x\n")
                log.flush_soon()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            assert log.lost == 5

    asyncio.run(scene())
    assert [entry.message for entry in caplog.records] == ["call log: lines are being lost: No space left on device"]


def test_a_closed_pipe_costs_lines_but_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """When the reader has gone, nothing is kept, written or raised any more, with one warning."""

    async def scene() -> None:
        reader, writer = pipe()
        reader.close()
        with writer:
            log = CallLog(writer, asyncio.get_running_loop())
            for _ in range(5):
                log.take(b"x\n")
                log.flush_soon()
                await asyncio.sleep(0.001)
            log.close()
            assert log.lost == 5

    asyncio.run(scene())
    assert len(caplog.records) == 1


def test_a_stuck_pipe_never_stops_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """With a reader that does not read, recording goes on at once, memory is bounded, and later all that was kept
    arrives whole; how many were lost is told."""
    line = b"x" * 999 + b"\n"

    async def scene() -> None:
        reader, writer = pipe()
        with reader, writer:
            log = CallLog(writer, asyncio.get_running_loop())
            slowest = 0.0
            for _ in range(200):
                start = time.monotonic()
                for _ in range(100):
                    log.take(line)
                    log.flush_soon()
                await asyncio.sleep(0)
                slowest = max(slowest, time.monotonic() - start)
            assert slowest < 0.5
            kept = 20_000 - log.lost
            assert telemetry.MAX_WAITING <= kept * len(line) <= telemetry.MAX_WAITING + 128 * 1024
            received = await asyncio.to_thread(read_lines, reader, kept)
            assert received == line * kept
            log.take(line)
            log.flush_soon()
            assert await asyncio.to_thread(read_lines, reader, 1) == line

    asyncio.run(scene())
    first, second = (entry.message for entry in caplog.records)
    assert first == "call log: lines are being lost: the sink takes no more"
    assert re.fullmatch(r"call log: writing again; [1-9]\d* lines lost so far", second)


def test_close_writes_what_is_left_and_gives_up_in_time() -> None:
    """At shutdown the last lines go out; a stuck sink holds the process no longer than asked."""

    async def scene() -> None:
        reader, writer = pipe()
        with reader, writer:
            log = CallLog(writer, asyncio.get_running_loop())
            log.take(b"last\n")
            log.flush_soon()
            log.close()
            assert reader.read(5) == b"last\n"
            stuck = CallLog(writer, asyncio.get_running_loop())
            for _ in range(1000):
                stuck.take(b"y" * 999 + b"\n")
                stuck.flush_soon()
            start = time.monotonic()
            stuck.close(patience_seconds=0.1)
            assert time.monotonic() - start < 2
            assert stuck.lost > 0

    asyncio.run(scene())


@pytest.mark.usefixtures("clean_logging")
def test_events_in_both_shapes(tmp_path: Path) -> None:
    """Events of our modules come as one line each; of libraries only warnings come."""
    for form in ("plain", "json"):
        with (tmp_path / form).open("wb", buffering=0) as sink:
            telemetry.setup_logging("json" if form == "json" else "plain", sink)
            logging.getLogger("cloche.engine").info("ready in %d ms\nforged", 5)
            logging.getLogger("library").info("not this")
            logging.getLogger("library").warning("but this")
    plain = (tmp_path / "plain").read_text().splitlines()
    assert [line[13:] for line in plain] == ["INFO engine: ready in 5 ms\\nforged", "WARNING library: but this"]
    told = [json.loads(line) for line in (tmp_path / "json").read_text().splitlines()]
    assert [(one["level"], one["logger"]) for one in told] == [("info", "cloche.engine"), ("warning", "library")]


@pytest.mark.usefixtures("clean_logging")
def test_events_to_a_stuck_or_closed_sink_do_not_block() -> None:
    """Logging returns at once when nobody reads the log, and when its reader has gone."""
    reader, writer = pipe()
    with writer:
        telemetry.setup_logging("plain", writer)
        start = time.monotonic()
        for _ in range(1000):
            logging.getLogger("cloche").warning("z" * 500)
        assert time.monotonic() - start < 2
        reader.close()
        logging.getLogger("cloche").warning("nobody")


def pipe() -> tuple[BinaryIO, BinaryIO]:
    """Both ends of a pipe of 64 KiB, unbuffered."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 65536)
    return open(read, "rb", buffering=0), open(write, "wb", buffering=0)


def read_lines(reader: BinaryIO, count: int) -> bytes:
    """The bytes of that many lines."""
    pieces: list[bytes] = []
    while sum(piece.count(b"\n") for piece in pieces) < count:
        pieces.append(reader.read(65536))
    return b"".join(pieces)
