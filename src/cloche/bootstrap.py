"""The composition root: the only file that knows every name.  Builds the server from the settings and runs it.

The order at start: what can be wrong is found before anything is touched (settings, endpoints file and the settings of
its providers, TLS files, port), then the models are fetched and the database is opened, then the models are loaded,
and only when a query would work does cloche say that it is ready.  The first token is made with these words and not
before them, so that no failed start leaves a token that nobody has seen.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import logging
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from cloche.control.compiling import Compiler
from cloche.control.declared import Declared, InvalidConfiguration, declared_endpoints
from cloche.control.publish import Publisher
from cloche.control.tokens import Tokens
from cloche.domain.endpoint import Declaration, Endpoint, ServedEntity, Version
from cloche.domain.errors import NotFound
from cloche.domain.outbound import Timeouts
from cloche.engine.catalogue import Catalogue, Model
from cloche.engine.options import EngineOptions, default_threads, is_installed
from cloche.engine.progress import Progress
from cloche.engine.pull import pull
from cloche.engine.supervisor import Engine, State
from cloche.gateway.admission import Admission
from cloche.gateway.local_model import EngineModel
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.http.app import App
from cloche.http.asgi_chat import AsgiChat
from cloche.http.context import Context
from cloche.http.server import Server, ServerOptions, TlsFiles, UnusableTls
from cloche.http.shared import Lane
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.settings import Settings, SettingsError, prepare_home, variables
from cloche.settings.proxy_url import read_proxy_url
from cloche.snapshot import Slot, Snapshot
from cloche.store.database import Store, open_store
from cloche.store.key import FILE, key_file
from cloche.telemetry import CallLog, CallRecord, call_lines, setup_logging
from cloche.upstream.client import Upstream
from cloche.upstream.options import UpstreamOptions
from cloche.wire.serving import Deployment, EndpointStatus

DEFAULT_MODEL = "smollm2-135m-instruct"

log = logging.getLogger("cloche")


class CannotStart(Exception):
    """Why the server cannot come up, in words for the operator."""


def serve(settings: Settings, progress: Progress) -> None:
    """Serve until a signal comes.  CannotStart, SettingsError, InvalidConfiguration or StoreUnusable if it cannot."""
    setup_logging(settings.log_format, sys.stderr.buffer)
    catalogue = Catalogue(settings.models_path)
    plan = _plan(settings, catalogue)
    listener = _listen(settings)
    try:
        prepare_home(settings)
        models = {name: _fetched(name, catalogue, progress) for name in _local_names(plan.endpoints)}
        store = open_store(settings.home, key_file(settings.home / FILE))
        try:
            _run(_Server(plan, store, listener, models).run)
        finally:
            store.close()
    finally:
        listener.close()


class _Plan(NamedTuple):
    """What is to be served, and how, found to be sound."""

    settings: Settings
    endpoints: list[Declaration]
    tls: TlsFiles | None
    upstream: UpstreamOptions


def _plan(settings: Settings, catalogue: Catalogue) -> _Plan:
    """Check everything that can be checked without touching anything."""
    endpoints = _endpoints(settings)
    _check_providers(endpoints)
    _check_models(endpoints, catalogue)
    return _Plan(settings, endpoints, _tls(settings), _upstream_options(settings, endpoints))


def _run(main: Callable[[], object]) -> None:
    try:
        import uvloop
    except ImportError:  # Windows has none; the standard loop serves as well, at about 1.2 times the cost
        asyncio.run(main())  # type: ignore[arg-type]
    else:
        uvloop.run(main())  # type: ignore[arg-type]


def _endpoints(settings: Settings) -> list[Declaration]:
    local = dict(settings.endpoint_models)
    if settings.default_endpoint:
        local.setdefault(DEFAULT_MODEL, DEFAULT_MODEL)
    groups = {name: kind.group for name, kind in PROVIDERS.items()}
    return declared_endpoints(Declared(settings.config, local), groups)


def _check_providers(endpoints: Iterable[Declaration]) -> None:
    """Bind every external model once, so that its faults are told at once.  Raises InvalidConfiguration."""
    problems: list[str] = []
    for endpoint, entity in _entities(endpoints):
        model = entity.external_model
        if model is None:
            continue
        try:
            PROVIDERS[model.provider].bind(model)
        except InvalidSettings as error:
            told = (f"endpoint '{endpoint.name}': external_model.{field}: {what}" for field, what in error.problems)
            problems.extend(told)
    if problems:
        raise InvalidConfiguration(problems)


def _check_models(endpoints: Iterable[Declaration], catalogue: Catalogue) -> None:
    """See that every local model is here or can be fetched by its name."""
    for endpoint, entity in _entities(endpoints):
        name = entity.entity_name
        if name is None:
            continue
        if not is_installed():
            raise CannotStart(
                f"endpoint '{endpoint.name}' needs the engine for local models, which is not installed: "
                "install cloche with its extra 'local' (pip install '.[local]'), "
                "or serve external models only, with --config and --no-default-endpoint"
            )
        if catalogue.find(name) is None and name not in catalogue.known():
            try:
                catalogue.get(name)
            except NotFound as problem:
                raise CannotStart(f"endpoint '{endpoint.name}': {problem.message}") from None


def _entities(endpoints: Iterable[Declaration]) -> Iterator[tuple[Declaration, ServedEntity]]:
    return ((endpoint, entity) for endpoint in endpoints for entity in endpoint.configuration.entities)


def _local_names(endpoints: Iterable[Declaration]) -> dict[str, None]:
    """The local models that the endpoints name, each once and in their order."""
    return dict.fromkeys(entity.entity_name for _, entity in _entities(endpoints) if entity.entity_name is not None)


def _fetched(name: str, catalogue: Catalogue, progress: Progress) -> Model:
    return catalogue.find(name) or pull(name, catalogue, progress)


def _tls(settings: Settings) -> TlsFiles | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        return TlsFiles(str(settings.tls_cert), str(settings.tls_key))
    except UnusableTls as error:
        raise CannotStart(str(error)) from None


def _listen(settings: Settings) -> socket.socket:
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _Server:
    """One run of the server: what is made in the event loop, and taken down in the opposite order."""

    def __init__(
        self,
        plan: _Plan,
        store: Store,
        listener: socket.socket,
        models: Mapping[str, Model],
    ) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._store = store
        self._listener = listener
        self._endpoints = plan.endpoints
        self._models = models
        self._engines: dict[str, Engine] = {}
        slot = Slot(Snapshot(0, {}, {}))
        self._slot = slot
        compiler = Compiler(store.sealer.open, lambda name: self._local_models[name], _timeouts(plan.settings))
        self._local_models: dict[str, EngineModel] = {}
        self._publisher = Publisher(slot, store, compiler)
        self._tokens = Tokens(self._publisher, _now_ms)
        self._admission = Admission(store.key)

    async def run(self) -> None:
        """From here on there is a loop."""
        call_log = CallLog(sys.stderr.buffer, asyncio.get_running_loop())
        upstream = Upstream(self._plan.upstream)
        try:
            await self._start_engines()
            self._local_models = self._make_local_models()
            self._declare()
            server = self._build(upstream, call_log)
            await server.run_on(self._listener, self._announce)
        finally:
            await upstream.close()
            await asyncio.gather(*(engine.stop() for engine in self._engines.values()))
            call_log.close()

    def _build(self, upstream: Upstream, call_log: CallLog) -> Server:
        settings = self._settings
        lines = call_lines(settings.log_format)

        def record(call: CallRecord) -> None:
            call_log.record(lines(call))

        gateway = Gateway(self._slot, self._admission, upstream.send, Recorder(record))
        context = Context(self._publisher, self._admission, self._tokens, self._status, _workspace_id(self._store.key))
        app = App(context, AsgiChat(gateway, settings.max_body), record)
        lane = Lane(gateway, record, max_body=settings.max_body, read_seconds=settings.request_read_seconds)
        options = ServerOptions(
            keep_alive=settings.keep_alive_seconds,
            drain=settings.drain_seconds,
            lane=settings.lane,
            tls=self._plan.tls,
        )
        return Server(app, lane, gateway, options)

    def _declare(self) -> None:
        with self._publisher.change() as work:
            for each in self._endpoints:
                endpoint_id = hashlib.blake2b(each.name.encode(), digest_size=16).hexdigest()
                work.endpoints.remove(endpoint_id)
                version = Version(1, each.configuration, _now_ms(), "admin")
                work.endpoints.add_version(endpoint_id, version)
                work.endpoints.put(
                    Endpoint(endpoint_id, each.name, "admin", _now_ms(), _now_ms(), each.properties, version)
                )

    # ---------------------------------------------------------------- models

    async def _start_engines(self) -> None:
        options = _engine_options(self._settings)
        run_dir = self._settings.home / "run"
        for name, model in self._models.items():
            self._engines[name] = Engine(model, options, run_dir)
        log.info("loading %s", ", ".join(self._engines) or "no local model")
        starts = [engine.start() for engine in self._engines.values()]
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _make_local_models(self) -> dict[str, EngineModel]:
        settings = self._settings
        options = _engine_options(settings)
        loop = asyncio.get_running_loop()
        return {
            name: EngineModel(engine, options, loop, max_tokens_default=settings.max_tokens_default)
            for name, engine in self._engines.items()
        }

    def _status(self, endpoint: Endpoint) -> EndpointStatus:
        """How an endpoint's entities are doing, in the words of the Databricks API."""
        deployments: dict[str, tuple[Deployment, str]] = {}
        for entity in endpoint.newest.configuration.entities:
            engine = self._engines.get(entity.entity_name or "")
            deployments[entity.name] = ("DEPLOYMENT_READY", "") if engine is None else _deployment(engine)
        ready = all(state == "DEPLOYMENT_READY" for state, _ in deployments.values())
        return EndpointStatus(ready, deployments)

    # ---------------------------------------------------------------- the first words

    async def _announce(self) -> None:
        """Say where the server is and, at the first start only, the token: here and nowhere else.

        It is made here, too: nothing that could still fail stands between a new token and whoever is to read it.
        """
        settings = self._settings
        host, port = self._listener.getsockname()[:2]
        scheme = "https" if settings.tls_cert is not None else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        if not _is_loopback(host) and scheme == "http":
            log.warning("listening on %s without TLS: tokens and prompts cross the network readable", host)
        # What start-up made stays: the collector need not look at it again, and calls leave no cycles behind.
        gc.collect()
        gc.freeze()
        first_token = self._tokens.ensure_admin(settings.admin_token)
        print(_welcome(url, first_token, [endpoint.name for endpoint in self._endpoints]), flush=True)  # noqa: T201


def _deployment(engine: Engine) -> tuple[Deployment, str]:
    states: dict[State, Deployment] = {
        State.READY: "DEPLOYMENT_READY",
        State.STARTING: "DEPLOYMENT_CREATING",
        State.RESTARTING: "DEPLOYMENT_RECOVERING",
        State.FAILED: "DEPLOYMENT_FAILED",
        State.STOPPED: "DEPLOYMENT_CREATING",
    }
    return states[engine.state], "" if engine.state is State.READY else engine.detail


def _welcome(url: str, first_token: str | None, endpoints: list[str]) -> str:
    lines = ["", f"cloche is ready at {url}"]
    lines += [f"  endpoint  {name}" for name in endpoints]
    if first_token is not None:
        lines += ["", f"  token     {first_token}", "            shown this once: keep it"]
    if endpoints:
        token = first_token or "$DATABRICKS_TOKEN"
        lines += [
            "",
            "Ask it something:",
            "",
            f"  curl -u token:{token} {url}/serving-endpoints/{endpoints[0]}/invocations \\",
            "    -H 'Content-Type: application/json' \\",
            '    -d \'{"messages": [{"role": "user", "content": "What is a mixture of experts model?"}], '
            '"max_tokens": 128}\'',
        ]
    return "\n".join([*lines, ""])


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost")


def _workspace_id(key: bytes) -> str:
    """The number that clients see as the workspace's: the same for the same installation."""
    return str(10**15 + int.from_bytes(hashlib.blake2b(b"workspace", key=key, digest_size=6).digest()))


def _engine_options(settings: Settings) -> EngineOptions:
    return EngineOptions(
        threads=settings.engine_threads or default_threads(),
        parallel=settings.engine_parallel,
        context_length=settings.engine_context,
        queue_limit=settings.engine_queue_limit,
        queue_seconds=settings.engine_queue_seconds,
    )


def _timeouts(settings: Settings) -> Timeouts:
    return Timeouts(
        connect=settings.upstream_connect_seconds,
        first_byte=settings.upstream_first_byte_seconds,
        between_bytes=settings.upstream_between_bytes_seconds,
        total=settings.upstream_total_seconds,
    )


def _upstream_options(settings: Settings, endpoints: Iterable[Declaration]) -> UpstreamOptions:
    needed = any(entity.external_model is not None for _, entity in _entities(endpoints))
    return UpstreamOptions(
        http_proxy=_usable_proxy("http_proxy", settings.http_proxy, needed),
        https_proxy=_usable_proxy("https_proxy", settings.https_proxy, needed),
        no_proxy=",".join(settings.no_proxy),
        ca_bundle=None if settings.ca_bundle is None else str(settings.ca_bundle),
    )


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
