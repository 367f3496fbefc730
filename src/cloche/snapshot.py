"""Everything the hot path may read, frozen: who may call, and which endpoint leads where.

A call takes the snapshot once, at its start, and reads from nothing else until its end, so a configuration change never
shows half.  Control compiles a new one (which may fail) and swaps it in (which cannot).  Counters, pools and engines
are not in it: they outlive a configuration.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cloche.domain.access import Level, Principal
from cloche.domain.ai_gateway import AiGateway, TimeLimits
from cloche.domain.budget import Budget
from cloche.domain.chat import ChatRequest
from cloche.domain.endpoint import CHAT_TASK, Configuration, Endpoint, ExternalModel, ServedEntity
from cloche.domain.errors import Problem
from cloche.domain.money import FREE, Price
from cloche.domain.outbound import HttpCall, Timeouts
from cloche.domain.state import State
from cloche.domain.usage import served_entity_id
from cloche.guardrails.guard import Guards, guards_of
from cloche.providers.base import Bound, Completer, Decoder, Embedder, Foreign, InvalidSettings, Translator
from cloche.providers.catalogue import PROVIDERS


class Ticket(Protocol):
    """A place in an engine's queue, or in the engine."""

    def leave(self, *, finished: bool = False) -> None:
        """Give the place back; `finished` if the call came to its proper end.  Harmless when done twice."""


class Gate(Protocol):
    """Admission to an engine that can do only so much at once."""

    def enter(self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> Ticket:
        """Wait for a place: `on_turn` is called when there is one, at once if there is one now.  LimitExceeded if the
        queue is full.

        An engine that sleeps, because nobody called it for a while, is woken by this; the call is held meanwhile, and
        refused with NotReady if that takes too long.
        """


class LocalModel(Protocol):
    """A model that runs on this machine: its engine, and the translator for that engine's dialect.

    It may be held before its engine is loaded and after it is gone: what is asked of it then fails in `check_ready`.
    """

    @property
    def available(self) -> bool:
        """Whether there is an engine for it on this host now: loaded, or loaded by the next call."""

    @property
    def gate(self) -> Gate:
        """Where calls queue for the engine."""

    def check_ready(self) -> None:
        """NotReady, saying when to come back, unless the engine can take a call."""

    def stalled(self) -> None:
        """A call was not answered in time: the engine may be stuck, and should be looked at."""

    def encode(self, request: ChatRequest, choice: int) -> HttpCall:
        """The call for one choice.  BadRequest for what this model cannot do."""

    def decoder(self, request: ChatRequest, choice: int) -> Decoder:
        """The reader of that call's answer."""

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What the engine's refusal means."""

    @property
    def timeouts(self) -> Timeouts:
        """How long to wait for this engine."""


class Condition(NamedTuple):
    """How a model is doing on this host, in the API's words for a deployment; `message`: why, where that helps."""

    deployment: Literal["DEPLOYMENT_READY", "DEPLOYMENT_CREATING", "DEPLOYMENT_FAILED", "DEPLOYMENT_RECOVERING"]
    message: str = ""


class LocalModels(Protocol):
    """The models of this host, however far away their engines are: in this process, or behind another one."""

    def handle(self, name: str) -> LocalModel:
        """The model of that name, the same handle each time, whether an engine is loaded or not.  Never fails."""

    def condition(self, name: str) -> Condition:
        """How it is doing."""

    def log(self, name: str) -> str:
        """What its engine has said and what became of it: the last lines, each with its time; empty if unknown.

        May wait, and is called from threads only.
        """


class Target(Struct, frozen=True):
    """A served entity, ready to be called: exactly one of `translator` to `embedder` is set.

    `header`: the line that tells the client which entity answered.  `served_entity_id`: as the usage tables have it.
    `price`: None: it is not known.
    """

    entity: str
    model: str
    header: bytes
    timeouts: Timeouts
    served_entity_id: str = ""
    translator: Translator | None = None
    foreign: Foreign | None = None
    local: LocalModel | None = None
    completer: Completer | None = None
    embedder: Embedder | None = None
    price: Price | None = None


class CompiledEndpoint(Struct, frozen=True):
    """An endpoint with its targets, the traffic split as cumulative percentages, and who may do what with it.

    `levels`: those given on it, by subject id.  `problem`: why it cannot be called; then it has no targets.
    `outdated`: its targets are those of an earlier version, because the engines of the active one are not loaded yet.
    `strict`: calls are refused rather than that a provider loses a parameter.  `task`: what its models do.
    `rules`: what is enforced on its calls; None: nothing, not even a budget.  `guards`: those of its guardrails that
    look for something.  `budgets`: those that its calls may cost, each if it fits the caller.
    """

    endpoint: Endpoint
    targets: Mapping[str, Target] = {}
    routed: tuple[Target, ...] = ()
    bounds: tuple[int, ...] = ()
    levels: Mapping[str, Level] = {}
    problem: Problem | None = None
    outdated: bool = False
    strict: bool = False
    task: str = CHAT_TASK
    rules: AiGateway | None = None
    guards: Guards | None = None
    budgets: tuple[Budget, ...] = ()

    def pick(self, dice: float) -> Target:
        """The target for a throw of `dice`, 0 ≤ dice < 1."""
        if len(self.routed) == 1:
            return self.routed[0]
        return self.routed[bisect_right(self.bounds, dice * 100)]


class Grant(Struct, frozen=True):
    """Whom a token stands for, and until when (Unix milliseconds; None: without end).

    `token_id`: of a token that is kept, so that its use can be noted.  `endpoint_id`: the only endpoint it is good for.
    `client_secret`: the id of the one that a signed token was given for.
    """

    principal: Principal
    expires_at: int | None = None
    token_id: str | None = None
    endpoint_id: str | None = None
    client_secret: str | None = None


class Snapshot(Struct, frozen=True):
    """One consistent state, compiled.  `tokens` is keyed by digest, `endpoints` by name, `principals` by id.

    `client_secrets`: ids of those that are valid, with the end of each (Unix milliseconds) or None.  `signing_keys`:
    public keys of access tokens as JWK, by key id.  `state`: what it was compiled from.
    """

    revision: int
    endpoints: Mapping[str, CompiledEndpoint]
    tokens: Mapping[bytes, Grant]
    principals: Mapping[str, Principal] = {}
    client_secrets: Mapping[str, int | None] = {}
    signing_keys: Mapping[str, bytes] = {}
    state: State = State(0)

    def with_id(self, endpoint_id: str) -> CompiledEndpoint | None:
        """The endpoint of that id."""
        found = (each for each in self.endpoints.values() if each.endpoint.id == endpoint_id)
        return next(found, None)


class Slot:
    """Where the two planes meet: control writes, gateway reads."""

    __slots__ = ("_current",)

    def __init__(self, snapshot: Snapshot) -> None:
        self._current = snapshot

    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self._current

    def swap(self, snapshot: Snapshot) -> None:
        """Put another in force.  Calls under way keep the one they took."""
        self._current = snapshot


Resolve = Callable[[ExternalModel], ExternalModel]
"""Puts the values of secrets where a provider's settings refer to them.  InvalidSettings for what cannot be found."""


def unpriced(model: ExternalModel) -> Price | None:
    """The price of every model where nothing is known of prices."""
    return None


class Bindings(NamedTuple):
    """What served entities are bound with.  `local`: the model of that name, as LocalModels.handle gives it.  `price`:
    of an external model, if it is known."""

    resolve: Resolve
    local: Callable[[str], LocalModel]
    timeouts: Timeouts
    price: Callable[[ExternalModel], Price | None] = unpriced


def compile_endpoint(endpoint: Endpoint, configuration: Configuration, bindings: Bindings) -> CompiledEndpoint:
    """The endpoint with every entity of a configuration bound to its provider or engine.

    Raises InvalidSettings, whose paths begin at the configuration.
    """
    targets = {}
    problems: list[tuple[str, str]] = []
    rules = _rules(endpoint)
    if rules is not None and rules.timeout_config is not None:
        bindings = bindings._replace(timeouts=_timeouts(rules.timeout_config, bindings.timeouts))
    for index, entity in enumerate(configuration.entities):
        try:
            target = _bind(endpoint, entity, bindings)
            targets[entity.name] = replace(target, price=_price(entity, rules, bindings))
        except InvalidSettings as error:
            where = f"served_entities[{index}].external_model"
            problems.extend((f"{where}.{field}", what) for field, what in error.problems)
    if problems:
        raise InvalidSettings(problems)
    routes = [route for route in configuration.routes if route.traffic_percentage > 0]
    return CompiledEndpoint(
        endpoint=endpoint,
        targets=targets,
        routed=tuple(targets[route.served_model_name] for route in routes),
        bounds=tuple(accumulate(route.traffic_percentage for route in routes)),
        strict=configuration.strict_params,
        task=configuration.task,
        rules=rules,
        guards=None if rules is None else guards_of(rules.guardrails),
    )


def _rules(endpoint: Endpoint) -> AiGateway | None:
    given = endpoint.properties.ai_gateway
    return msgspec.convert(given, AiGateway) if given else None


def _timeouts(given: TimeLimits, general: Timeouts) -> Timeouts:
    """The endpoint's own where it has them."""
    return Timeouts(
        connect=given.connect_seconds or general.connect,
        first_byte=given.first_byte_seconds or general.first_byte,
        between_bytes=given.between_bytes_seconds or general.between_bytes,
        total=given.total_seconds or general.total,
    )


def _bind(endpoint: Endpoint, entity: ServedEntity, bindings: Bindings) -> Target:
    header = f"served-model-name: {entity.name}\r\n".encode()
    number = 0 if endpoint.active is None else endpoint.active.number
    entity_id = served_entity_id(endpoint.id, number, entity.name)
    model = entity.external_model
    if model is not None:
        target = Target(entity.name, model.name, header, bindings.timeouts, entity_id)
        return replace(target, **_in_its_place(PROVIDERS[model.provider].bind(bindings.resolve(model))))
    assert entity.entity_name is not None
    local = bindings.local(entity.entity_name)
    return Target(entity.name, endpoint.name, header, local.timeouts, entity_id, local=local)


def _price(entity: ServedEntity, rules: AiGateway | None, bindings: Bindings) -> Price | None:
    """What the endpoint's rules say, or else what is known of the model; one's own machine costs nothing."""
    said = None if rules is None else rules.price_of(entity.name)
    if said is not None:
        return said
    return FREE if entity.external_model is None else bindings.price(entity.external_model)


def _in_its_place(bound: Bound) -> dict[str, Bound]:
    """The field of a target that it belongs into.  The order matters: each of these is more than those after it."""
    if isinstance(bound, Foreign):
        return {"foreign": bound}
    if isinstance(bound, Translator):
        return {"translator": bound}
    return {"embedder" if isinstance(bound, Embedder) else "completer": bound}
