"""What is to be served, and how, checked as far as that goes without touching anything but the port."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from cloche.bootstrap.trace_writer import Collector, collector
from cloche.control.declared import Declared, DeclaredEndpoints, declared_endpoints
from cloche.domain.endpoint import Declaration, ServedEntity
from cloche.domain.errors import NotFound
from cloche.domain.outbound import Timeouts
from cloche.domain.reach import Reach, is_loopback, read_reach
from cloche.engine.catalogue import SMOLLM2, Catalogue
from cloche.engine.options import EngineOptions, default_threads, is_installed
from cloche.gateway.valkey import CannotUse, connection_to
from cloche.http.server import TlsFiles, UnusableTls
from cloche.settings import Settings, SettingsError, variables
from cloche.settings.proxy_url import read_proxy_url
from cloche.upstream.options import UpstreamOptions

log = logging.getLogger("cloche")

ModelProblem = Callable[[str], str | None]
"""Why a local model cannot be served on this host; None if it can."""


class CannotStart(Exception):
    """Why the server cannot come up, in words for the operator."""


class Plan(NamedTuple):
    """What is to be served, and how, found to be sound.  `declared`: the endpoints of this start.  `traces`: where they
    go; None: there are none."""

    settings: Settings
    declared: DeclaredEndpoints
    tls: TlsFiles | None
    upstream: UpstreamOptions
    catalogue: Catalogue
    model_problem: ModelProblem
    traces: Collector | None = None

    @property
    def endpoints(self) -> list[Declaration]:
        """The endpoints declared for this start."""
        return self.declared.endpoints

    @property
    def models(self) -> list[str]:
        """The local models that the declared endpoints name, each once and in their order."""
        names = (entity.entity_name for _, entity in _entities(self.endpoints) if entity.entity_name is not None)
        return list(dict.fromkeys(names))

    @property
    def engine(self) -> EngineOptions:
        """How engines are run."""
        settings = self.settings
        return EngineOptions(
            threads=settings.engine_threads or default_threads(),
            parallel=settings.engine_parallel,
            context_length=settings.engine_context,
            queue_limit=settings.engine_queue_limit,
            queue_seconds=settings.engine_queue_seconds,
        )

    @property
    def timeouts(self) -> Timeouts:
        """How long to wait for providers."""
        settings = self.settings
        return Timeouts(
            connect=settings.upstream_connect_seconds,
            first_byte=settings.upstream_first_byte_seconds,
            between_bytes=settings.upstream_between_bytes_seconds,
            total=settings.upstream_total_seconds,
        )


def make_plan(settings: Settings) -> Plan:
    """Check everything that can be checked.  Raises CannotStart, InvalidConfiguration or SettingsError."""
    catalogue = Catalogue(settings.models_path)
    declared = _declared(settings)
    model_problem = _model_problem(catalogue)
    missing = [
        declared.told(number, f"config.served_entities[{index}].entity_name", problem)
        for number, endpoint in enumerate(declared.endpoints)
        for index, entity in enumerate(endpoint.configuration.entities)
        if entity.entity_name is not None and (problem := model_problem(entity.entity_name)) is not None
    ]
    if missing:
        raise CannotStart("\n".join(missing))
    if settings.valkey_url is not None:
        try:
            connection_to(settings.valkey_url)
        except CannotUse as error:
            raise CannotStart(str(error)) from None
    upstream = _upstream_options(settings, declared.endpoints)
    traces = _collector(settings)
    return Plan(settings, declared, _tls(settings), upstream, catalogue, model_problem, traces)


def listen(settings: Settings) -> socket.socket:
    """The listening socket, bound but not listening, so that a taken port is known before a model is loaded."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"port {settings.port} on {settings.host} is taken by another process: "
                "stop it, or choose another with --port"
            ) from None
        raise CannotStart(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
    return listener


def _declared(settings: Settings) -> DeclaredEndpoints:
    local = dict(settings.endpoint_models)
    if settings.default_endpoint:
        local.setdefault(SMOLLM2.name, SMOLLM2.name)
    return declared_endpoints(Declared(settings.config, local))


def _model_problem(catalogue: Catalogue) -> ModelProblem:
    def problem(name: str) -> str | None:
        """See that a model is here or can be fetched by its name, and that there is an engine for it."""
        if not is_installed():
            return (
                "it needs the engine for local models, which is not installed: "
                "install cloche with its extra 'local' (pip install '.[local]'), "
                "or serve external models only, with --config and --no-default-endpoint"
            )
        if name in catalogue.known():
            return None
        try:
            catalogue.get(name)
        except NotFound as error:
            return error.message
        return None

    return problem


def _entities(endpoints: Iterable[Declaration]) -> Iterator[tuple[Declaration, ServedEntity]]:
    return ((endpoint, entity) for endpoint in endpoints for entity in endpoint.configuration.entities)


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return TlsFiles(str(settings.tls_cert), str(settings.tls_key))
    except UnusableTls as error:
        raise CannotStart(str(error)) from None


def _upstream_options(settings: Settings, endpoints: Iterable[Declaration]) -> UpstreamOptions:
    needed = any(entity.external_model is not None for _, entity in _entities(endpoints))
    return UpstreamOptions(
        http_proxy=_usable_proxy("http_proxy", settings.http_proxy, needed),
        https_proxy=_usable_proxy("https_proxy", settings.https_proxy, needed),
        no_proxy=",".join(settings.no_proxy),
        ca_bundle=None if settings.ca_bundle is None else str(settings.ca_bundle),
        reach=_reach(settings),
    )


def _collector(settings: Settings) -> Collector | None:
    if settings.otel_endpoint is None:
        return None
    try:
        return collector(settings.otel_endpoint, settings.otel_headers)
    except ValueError as error:
        raise SettingsError([f"otel_endpoint, otel_headers: {error}"]) from None


def _reach(settings: Settings) -> Reach:
    try:
        return read_reach(settings.allow_upstream, loopback=is_loopback(settings.host))
    except ValueError as error:
        raise SettingsError([f"allow_upstream: {error}"]) from None


def _usable_proxy(name: str, url: str | None, needed: bool) -> str | None:
    """A proxy that another program's variable names may be of no use here.  SettingsError if that matters."""
    if url is None:
        return None
    try:
        read_proxy_url(url)
    except ValueError as error:
        told = f"{name} ({' or '.join(variables(name)[1:])}): {error}; {variables(name)[0]} goes before them"
        if needed:
            raise SettingsError([told]) from None
        log.warning("%s; no endpoint needs it", told)
        return None
    return url
