"""What a row of the route table says: path, method, what it needs, who answers, and what the documents tell of it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from cloche.http.context import Answer, Context, ControlRequest, Streamed

Handler = Callable[[Context, ControlRequest], Answer | Streamed | Awaitable[Answer]]
"""A plain function runs in a thread and may ask the database; a coroutine runs in the loop and must not wait.  What is
streamed is sent by the loop."""


class Needs(enum.Enum):
    """What a caller must have.  A route whose row says nothing weaker is for administrators.

    The levels on endpoints are checked at the door, for the endpoint that the path names by `{name}` or `{id}`; those
    on secret scopes, which a body or query names, by the use-cases.
    """

    PUBLIC = "nothing"
    TOKEN = "any valid token"  # noqa: S105 (a level, not a token)
    CREATE = "the entitlement workspace-access"
    VIEW = "CAN_VIEW on the endpoint"
    QUERY = "CAN_QUERY on the endpoint"
    MANAGE = "CAN_MANAGE on the endpoint"
    SCOPE_READ = "READ on the secret scope"
    SCOPE_WRITE = "WRITE on the secret scope"
    SCOPE_MANAGE = "MANAGE on the secret scope"
    ADMIN = "membership in the group admins"


EVENTS = "text/event-stream"


class Row(NamedTuple):
    """One route.

    `operation`: its name in the Databricks API (`serving_endpoints.create`), or ours (`cloche.…`).  `takes`: the type
    of its body, `query` the names of its query parameters with what each is; `gives`: the type of its answer, where
    that is a type.
    """

    method: str
    path: str
    needs: Needs
    handler: Handler
    operation: str
    takes: Any = None
    gives: Any = None
    query: tuple[tuple[str, str], ...] = ()
    status: int = 200
    media_type: str = "application/json"

    @property
    def streams(self) -> bool:
        """Whether its answer goes on until either side ends it."""
        return self.media_type == EVENTS
