"""The process that holds one model: `python -m cloche.engine.child`, started by `process.py` and by nobody else.

It reads one JSON line of `ChildOptions` from standard input, loads the model, listens on a Unix socket and answers with
one `Report` line on standard output.  Then it waits for the end of its standard input, which comes when the parent
closes it or dies in any way, and leaves.  It lives in a process of its own because a fault in native code, or in a
model file, must not take the gateway along.

The API key comes through the pipe alone: arguments and environment are visible to others.  SIGTERM keeps its default
action, which works even while native code holds the interpreter.  This file must not know the supervisor, and must not
load llama.cpp before it has read its options, so that a machine without it gets a `Report` that says so.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import msgspec

BATCH_TOKENS = 128
"""Prompt tokens per step.  Small, because the engine notices that a caller hung up only between two steps."""

PROMPT_CACHE_MIB = 256
"""Memory for prompts that have left their slot.  By itself the engine would let it grow to 8 GiB."""

PR_SET_PDEATHSIG = 1


class ChildOptions(msgspec.Struct, frozen=True):
    """What the parent asks for.  `context_length` is in tokens per request; `parallel` requests run side by side."""

    model_path: str
    socket_path: str
    api_key: str
    alias: str
    threads: int
    parallel: int
    context_length: int


class Report(msgspec.Struct, frozen=True):
    """The child's one answer: it listens, or `error` says why not."""

    error: str | None = None


def listen(options: ChildOptions) -> object:
    """Load the model and listen; the server that is returned does so for as long as it is referenced."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model_path
    params.model_alias = {options.alias}
    params.hostnames = [options.socket_path]
    params.api_keys = [options.api_key]
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = -1
    params.use_jinja = True
    # A conversation that ends with the assistant's words asks for the next answer, not for their continuation.
    params.prefill_assistant = False
    params.n_parallel = options.parallel
    params.n_ctx = options.context_length * options.parallel
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    return xllamacpp.Server(params)


def die_with_parent() -> None:
    """Linux: have the kernel kill this process when its parent dies, even while a model loads.

    Elsewhere the end of standard input does the same, though not before the model is loaded.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def take_stdout() -> int:
    """A descriptor for the report; what native code prints to standard output goes to standard error from here on."""
    channel = os.dup(1)
    os.dup2(2, 1)
    return channel


def main() -> None:
    """Read the options, serve, and leave when the parent does."""
    die_with_parent()
    os.umask(0o077)
    channel = take_stdout()
    line = sys.stdin.buffer.readline()
    try:
        server = listen(msgspec.json.decode(line, type=ChildOptions))
        report = Report()
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it was, the parent is told
        server = None
        report = Report(f"{type(error).__name__}: {error}")
    os.write(channel, msgspec.json.encode(report) + b"\n")
    if server is not None:
        sys.stdin.buffer.read()
    # The server's end would wait for threads that may be amid a long prompt, for an answer that nobody wants now.
    os._exit(0)


if __name__ == "__main__":
    main()
