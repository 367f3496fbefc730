"""The real fake provider, and misbehaving gateways that answer whatever bytes a test gives them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bench import running
from bench.calls import Target
from bench.processes import all_cores

Answering = Callable[[bytes], Target]


@pytest.fixture
def provider() -> Iterator[Target]:
    """The fake provider, called without a gateway."""
    with running.provider(all_cores()) as port:
        yield running.direct(port)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that gives every call these bytes and closes the connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    answers: list[bytes] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answers[0])

    def start(answer: bytes) -> Target:
        answers.append(answer)
        thread.start()
        return Target(listener.getsockname()[1], "/", "chat", {})

    thread = threading.Thread(target=serve)
    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
