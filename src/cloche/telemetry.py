"""What cloche says while it runs: one line per call and one line per event, plain or JSON.

Owns the shape of both and the way they leave the process.  Nothing here may stop or slow a call: a sink that is full,
closed or stuck costs lines, which are counted, and never an answer.  Lines bear no prompt, answer or credential; what a
client chose (paths, names, ids) is quoted and cut, so that no one can forge a line.  No colour: logs are read by tools.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import stat
import time
from asyncio import AbstractEventLoop, TimerHandle
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, Literal

import msgspec

Format = Literal["plain", "json"]
Outcome = Literal["ok", "error", "cancelled"]

MAX_TEXT = 200
"""Characters of one value in a line."""

MAX_WAITING = 8 * 1024 * 1024
"""Bytes of lines that may wait for a slow sink."""

PIPE_CHUNK = 4096
"""What a pipe that polls as writable takes without blocking: PIPE_BUF on every system cloche runs on."""

FILE_CHUNK = 256 * 1024
RETRY_SECONDS = 0.01
TURN_BUDGET = 256 * 1024
"""Bytes written in one turn of the loop before calls are looked after again."""

log = logging.getLogger("cloche.telemetry")


class CallRecord(msgspec.Struct, gc=False):
    """One call, told in one line.  `time`: Unix seconds of its arrival; `detail`: an error's text, never a prompt.

    `cost_usd`: of a call whose usage is tracked, where the price is known and the provider counted.
    `translation`: what became of the request's fields on their way to a provider, as the caller was told.
    `attempt_ms`: when each of the attempts began, and how long it took.
    """

    time: float
    request_id: str
    method: str
    path: str
    status: int
    duration_ms: float
    outcome: Outcome = "ok"
    client_request_id: str | None = None
    endpoint: str | None = None
    entity: str | None = None
    principal: str | None = None
    error_code: str | None = None
    stream: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    first_byte_ms: float | None = None
    detail: str | None = None
    translation: str | None = None
    attempts: str | None = None
    attempt_ms: str | None = None
    cache: str | None = None
    coalesced: bool = False
    replayed: bool = False


def _word(text: str) -> str:
    """A value that can be read back as one: quoted where it holds spaces, quotes or anything unprintable."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    if text.isprintable() and " " not in text and '"' not in text:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


class PlainLines:
    """Lines for people: `12:03:04.123 200 POST /path endpoint=… 12ms in=19 out=24 id=…`, in local time."""

    def __init__(self) -> None:
        self._second = -1
        self._clock = ""

    def stamp(self, at: float) -> str:
        """The time of day to the millisecond; the second is rendered once for all lines that share it."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._clock}.{int((at - second) * 1000):03d}"

    def __call__(self, record: CallRecord) -> bytes:
        parts = [f"{self.stamp(record.time)} {record.status} {record.method} {_word(record.path)}"]
        add = parts.append
        if record.endpoint:
            add(f"endpoint={_word(record.endpoint)}")
        if record.entity:
            add(f"entity={_word(record.entity)}")
        if record.principal:
            add(f"user={_word(record.principal)}")
        add(f"{record.duration_ms:.0f}ms")
        if record.first_byte_ms is not None:
            add(f"ttfb={record.first_byte_ms:.0f}ms")
        if record.input_tokens is not None:
            add(f"in={record.input_tokens}")
        if record.output_tokens is not None:
            add(f"out={record.output_tokens}")
        if record.cost_usd is not None:
            add(f"usd={record.cost_usd:.9f}")
        if record.stream:
            add("stream")
        if record.outcome != "ok":
            add(record.outcome)
        if record.error_code:
            add(record.error_code)
        add(f"id={record.request_id}")
        if record.client_request_id:
            add(f"client_id={_word(record.client_request_id)}")
        if record.translation:
            add(f"translation={_word(record.translation)}")
        if record.attempts:
            add(f"attempts={_word(record.attempts)}")
        if record.cache:
            add(f"cache={record.cache}")
        if record.coalesced:
            add("coalesced")
        if record.replayed:
            add("replayed")
        if record.detail:
            add(_word(record.detail))
        return (" ".join(parts) + "\n").encode("utf-8", "backslashreplace")


class JsonLines:
    """Lines for machines: one object with the fields of CallRecord; `time` in RFC 3339, UTC."""

    def __init__(self) -> None:
        self._second = -1
        self._clock = ""
        self._encode = msgspec.json.Encoder().encode

    def stamp(self, at: float) -> str:
        """The time in UTC to the millisecond."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._clock}.{int((at - second) * 1000):03d}Z"

    def __call__(self, record: CallRecord) -> bytes:
        try:
            body = self._encode(record)
        except UnicodeEncodeError:  # half of a surrogate pair, from a JSON escape
            body = self._encode(_cut(record))
        if len(body) > PIPE_CHUNK - 64:
            body = self._encode(_cut(record))
        # `time` is the first field and a number: all that follows its comma is kept as it is.
        return b'{"time":"%b",%b\n' % (self.stamp(record.time).encode(), body[body.index(b",") + 1 :])


def _cut(record: CallRecord) -> CallRecord:
    """The same record with its texts cut to what fits a line and can be encoded."""
    texts = {name: getattr(record, name) for name in record.__struct_fields__}
    for name, text in texts.items():
        if isinstance(text, str):
            texts[name] = text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
    return CallRecord(**texts)


def call_lines(form: Format) -> Callable[[CallRecord], bytes]:
    """What makes a record a line."""
    return JsonLines() if form == "json" else PlainLines()


class Sink:
    """A file descriptor that is written to without waiting for it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._descriptor = stream.fileno()
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self.chunk = FILE_CHUNK if stat.S_ISREG(os.fstat(self._descriptor).st_mode) else PIPE_CHUNK

    def write(self, data: bytes) -> int:
        """Bytes taken, 0 when the sink has no room now.  `data`: at most `chunk` bytes.  Raises OSError.

        Asking first instead of O_NONBLOCK: that flag belongs to the open file, which is shared with the shell and
        with every process that writes to the same terminal or pipe.
        """
        if not self._poll.poll(0):
            return 0
        return os.write(self._descriptor, data)


class CallLog:
    """Writes lines in batches.  `lost` counts the lines that found no room."""

    def __init__(self, stream: BinaryIO, loop: AbstractEventLoop) -> None:
        self._sink = Sink(stream)
        self._loop = loop
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._scheduled = False
        self._retry: TimerHandle | None = None
        self._gone = False
        self._in_trouble = False
        self.lost = 0

    def take(self, line: bytes) -> None:
        """Take one line, which ends in a newline.  It is written when the log is flushed."""
        if self._gone or self._bytes + len(line) > MAX_WAITING:
            self._lose(1, "the sink takes no more")
            return
        self._lines.append(line)
        self._bytes += len(line)

    def flush_soon(self) -> None:
        """Write what there is at the end of this turn of the loop."""
        if self._lines and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def flush(self) -> None:
        """Write what there is now, unless that will be done soon anyway."""
        if self._lines and not self._scheduled:
            self._scheduled = True
            self._flush()

    def close(self, patience_seconds: float = 1.0) -> None:
        """Write what is left, waiting for the sink no longer than that.  Nothing may be recorded afterwards."""
        if self._retry is not None:
            self._retry.cancel()
        deadline = time.monotonic() + patience_seconds
        while self._lines and time.monotonic() < deadline:
            if not self._write_batch():
                time.sleep(0.01)
        self._lose(len(self._lines), "the sink takes no more")
        self._gone = True

    def _flush(self) -> None:
        self._retry = None
        written = 0
        while self._lines:
            took = self._write_batch()
            written += took
            if not took or written > TURN_BUDGET:
                break
        if not self._lines:
            self._scheduled = False
        elif took:
            self._loop.call_soon(self._flush)
        else:
            self._retry = self._loop.call_later(RETRY_SECONDS, self._flush)

    def _write_batch(self) -> int:
        """Write as many whole lines as one chunk holds; bytes that left the queue, 0 when there is no room."""
        batch = [self._lines.popleft()]
        size = len(batch[0])
        while self._lines and size + len(self._lines[0]) <= self._sink.chunk:
            size += len(self._lines[0])
            batch.append(self._lines.popleft())
        data = b"".join(batch)
        try:
            took = self._sink.write(data[: self._sink.chunk])
        except OSError as error:
            self._bytes -= size
            self._fail(error, len(batch))
            return size
        if took < size:  # no room, or a file system that took a part: the rest is the next line
            self._lines.appendleft(data[took:])
        self._bytes -= took
        if took:
            self._recovered()
        return took

    def _fail(self, error: OSError, lines: int) -> None:
        if error.errno in (errno.EPIPE, errno.EBADF, errno.EIO):
            self._gone = True  # nobody reads any more, and nobody will
            lines += len(self._lines)
            self._lines.clear()
            self._bytes = 0
        self._lose(lines, error.strerror or type(error).__name__)

    def _lose(self, lines: int, why: str) -> None:
        self.lost += lines
        if lines and not self._in_trouble:
            self._in_trouble = True
            log.warning("call log: lines are being lost: %s", why)

    def _recovered(self) -> None:
        if self._in_trouble and self._bytes < MAX_WAITING // 2:
            self._in_trouble = False
            log.warning("call log: writing again; %d lines lost so far", self.lost)


class EventFormatter(logging.Formatter):
    """Log lines of all other modules, in the same two shapes."""

    def __init__(self, form: Format) -> None:
        super().__init__()
        self._json = form == "json"
        self._stamp = JsonLines().stamp if self._json else PlainLines().stamp

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._json:
            told = {"time": self._stamp(record.created), "level": record.levelname.lower(), "logger": record.name}
            return json.dumps(told | {"message": message} | ({"trace": trace} if trace else {}))
        message = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in message)
        line = f"{self._stamp(record.created)} {record.levelname} {record.name.removeprefix('cloche.')}: {message}"
        return f"{line}\n{trace}" if trace else line


class EventHandler(logging.Handler):
    """Writes events to a sink at once, or not at all: a stuck terminal must not stop the server."""

    def __init__(self, stream: BinaryIO, form: Format) -> None:
        super().__init__()
        self._sink = Sink(stream)
        self.setFormatter(EventFormatter(form))

    def emit(self, record: logging.LogRecord) -> None:
        data = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
        try:
            while data:
                took = self._sink.write(data[: self._sink.chunk])
                if not took:
                    return
                data = data[took:]
        except OSError:  # nowhere is left to say that the log cannot be written
            return


def setup_logging(form: Format, stream: BinaryIO) -> logging.Handler:
    """Send events to `stream` alone: cloche's from level INFO on, libraries' from WARNING; returns the handler."""
    handler = EventHandler(stream, form)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("cloche").setLevel(logging.INFO)
    return handler
