"""What the handlers of the control plane may reach, what they are asked and what they answer with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from cloche.control.audit import Audit
from cloche.control.budgets import Budgets
from cloche.control.calls import Calls
from cloche.control.configuration import Configurations
from cloche.control.endpoints import Endpoints
from cloche.control.master_key import MasterKey
from cloche.control.models import Models
from cloche.control.oauth import OAuth
from cloche.control.people import People
from cloche.control.permissions import Permissions
from cloche.control.publish import Publisher
from cloche.control.secret_scopes import SecretScopes
from cloche.control.sign_in import SignIn
from cloche.control.tokens import Tokens
from cloche.control.usage import Usages
from cloche.control.versions import Versions
from cloche.domain.access import Caller, Principal
from cloche.domain.endpoint import Endpoint
from cloche.domain.errors import Problem
from cloche.gateway.admission import Admission
from cloche.gateway.figures import HostFigures
from cloche.gateway.judging import Trials
from cloche.gateway.probe import Outcome
from cloche.gateway.totals import HostTotals
from cloche.http.events import Events
from cloche.snapshot import Grant, LocalModels, Snapshot, Target
from cloche.store.home_space import HomeSpace
from cloche.wire.serving import EndpointStatus

MAX_BODY = 4 * 1024 * 1024
"""Bytes of a control request."""


class ControlRequest(NamedTuple):
    """One request, read to its end.  `grant`: who asks; None on public routes.  `path`: the parts of the path by name.

    `headers`: names in lower case.  `base_url`: how the client reached the server, without a trailing slash.
    `address`: of the client.
    """

    id: str
    method: str
    url_path: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    address: str
    grant: Grant | None = None

    @property
    def principal(self) -> Principal:
        """Who asks, where the route needs a token."""
        assert self.grant is not None, "the route is public"
        return self.grant.principal

    @property
    def caller(self) -> Caller:
        """Who asks, as the audit log tells it."""
        return Caller(self.principal, self.address, self.id)


class Answer(NamedTuple):
    """A body with its status and any further headers.  `problem`: what went wrong, for the log."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"
    problem: Problem | None = None


class Streamed(NamedTuple):
    """An answer that goes on, with status 200: pieces as they come.  `close` is called once, whatever becomes of it."""

    pieces: AsyncIterator[bytes]
    close: Callable[[], None]
    headers: tuple[tuple[str, str], ...] = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))
    media_type: str = "text/event-stream"


class Host(NamedTuple):
    """What is told of this host.  `started_at`: Unix milliseconds.  `valkey`: whether it answers, asked from a thread;
    None: there is none.  `home`: whether it can be written."""

    started_at: int
    workers: int
    database: Literal["sqlite", "postgresql"]
    valkey: Callable[[], bool | None]
    home: Callable[[], HomeSpace]


class Context(NamedTuple):
    """The composition root makes one.  `status`: how an endpoint is doing now.  `workspace_id`: the number that clients
    see as the workspace's.  `public_url`: how clients reach the server, where that is not how requests arrive.
    `host_models`: the files; `models`: the engines.  `events`: for whoever watches.  `pages`: the page that a request
    asks for; None where it asks for none."""

    publisher: Publisher
    admission: Admission
    tokens: Tokens
    status: Callable[[Endpoint], EndpointStatus]
    workspace_id: str
    secret_scopes: SecretScopes
    master_key: MasterKey
    audit: Audit
    usages: Usages
    budgets: Budgets
    calls: Calls
    figures: HostFigures
    totals: HostTotals
    models: LocalModels
    people: People
    oauth: OAuth
    permissions: Permissions
    public_url: str | None
    endpoints: Endpoints
    versions: Versions
    configurations: Configurations
    probe: Callable[[Sequence[Target]], list[Outcome]]
    pages: Callable[[ControlRequest], Answer | None]
    host: Host
    host_models: Models
    judge: Trials
    sign_in: SignIn
    events: Events

    def base_url(self, request: ControlRequest) -> str:
        """How clients reach the server, without a trailing slash."""
        return self.public_url or request.base_url

    def snapshot(self) -> Snapshot:
        """The snapshot in force."""
        return self.publisher.current()
