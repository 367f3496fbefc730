"""What the handlers of the control plane may reach, and what they answer with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cloche.control.tokens import Tokens
from cloche.domain.endpoint import Endpoint
from cloche.snapshot import Slot
from cloche.wire.serving import EndpointStatus


class Answer(NamedTuple):
    """A JSON body with its status and any further headers."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Context(NamedTuple):
    """The composition root makes one.  `status`: how an endpoint is doing now.  `workspace_id`: the number that clients
    see as the workspace's."""

    slot: Slot
    token_key: bytes
    tokens: Tokens
    status: Callable[[Endpoint], EndpointStatus]
    workspace_id: str
