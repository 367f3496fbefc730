"""From a state to a snapshot: secrets put in place, providers bound, levels and tokens indexed.

An endpoint that cannot be bound does not stand in the way of the others: it is there, with the problem that its
callers are told.  Whether that may be published is publish.py's to decide.  Endpoints that did not change are taken
over from the snapshot before, because binding a thousand of them anew costs a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from cloche.control.secret_references import resolved
from cloche.domain.access import Level, Principal, principals
from cloche.domain.ai_gateway import AiGateway
from cloche.domain.endpoint import Endpoint, ExternalModel, Update, Version
from cloche.domain.errors import BadRequest, NotReady, Problem
from cloche.domain.money import Price
from cloche.domain.outbound import Timeouts
from cloche.domain.reach import Reach, is_metadata
from cloche.domain.state import State
from cloche.providers.base import InvalidSettings
from cloche.snapshot import Bindings, CompiledEndpoint, Grant, LocalModel, Snapshot, compile_endpoint, unpriced

Opener = Callable[[bytes, str], bytes]
"""Opens a sealed value that is bound to a place."""

Faults = dict[str, list[tuple[str, str]]]
"""What is wrong with endpoints, by name: (path below the configuration, what) for each fault."""

LOADING_RETRY_AFTER = 5

NO_RULES = AiGateway()
"""Of an endpoint that has none, and whose calls may cost somebody's budget."""


class Compiled(msgspec.Struct, frozen=True):
    """A candidate, and what is wrong with it."""

    snapshot: Snapshot
    faults: Faults


class Compiler:
    """`local`: the model of that name on this host, loaded or not.  `reach`: which addresses may be called.
    `price`: of an external model, if it is known."""

    def __init__(
        self,
        open_sealed: Opener,
        local: Callable[[str], LocalModel],
        timeouts: Timeouts,
        reach: Reach = Reach(),  # noqa: B008 (frozen)
        price: Callable[[ExternalModel], Price | None] = unpriced,
    ) -> None:
        self._open = open_sealed
        self._local = local
        self._timeouts = timeouts
        self._reach = reach
        self._price = price

    def compile(self, state: State, previous: Snapshot) -> Compiled:
        """The snapshot of a state."""
        faults: Faults = {}
        secrets = {(scope, key): sealed for scope, key, sealed in state.secrets}
        levels = _levels(state)
        same_secrets = state.secrets == previous.state.secrets
        compiled = {}
        for endpoint in state.endpoints:
            before = previous.endpoints.get(endpoint.name) if same_secrets else None
            stale = before is None or before.endpoint != endpoint or before.problem is not None or before.outdated
            if before is None or stale or before.rules is NO_RULES:
                before = self._endpoint(endpoint, secrets, faults)
                before = self._held_back(before, previous.endpoints.get(endpoint.name))
            budgets = tuple(each for each in state.budgets if each.scope != "endpoint" or each.subject == endpoint.id)
            compiled[endpoint.name] = msgspec.structs.replace(
                before,
                levels=levels.get(endpoint.id, {}),
                budgets=budgets,
                rules=NO_RULES if budgets and before.rules is None else before.rules,
            )
        people = principals({each.id: each for each in state.identities}, {each.id: each for each in state.groups})
        snapshot = Snapshot(
            revision=state.revision,
            endpoints=compiled,
            tokens=dict(_grants(state, people)),
            principals=people,
            client_secrets={each.id: each.expires_at for each in state.client_secrets},
            signing_keys={each.id: each.public_jwk for each in state.signing_keys},
            state=state,
        )
        return Compiled(snapshot, faults)

    def bound(self, endpoint: Endpoint, version: Version, sealed: Iterable[tuple[str, str, bytes]]) -> CompiledEndpoint:
        """A version of external models, bound.  Raises InvalidSettings.

        `sealed`: (scope, key, value) of the secrets that it refers to.
        """
        secrets = {(scope, key): value for scope, key, value in sealed}
        return compile_endpoint(endpoint, version.configuration, self._bindings(secrets))

    def _endpoint(
        self, endpoint: Endpoint, secrets: Mapping[tuple[str, str], bytes], faults: Faults
    ) -> CompiledEndpoint:
        if endpoint.active is None:
            return CompiledEndpoint(endpoint, problem=_not_yet(endpoint), task=endpoint.task)
        try:
            return compile_endpoint(endpoint, endpoint.active.configuration, self._bindings(secrets))
        except InvalidSettings as error:
            faults[endpoint.name] = error.problems
            told = "; ".join(f"{field}: {what}" for field, what in error.problems)
            problem = BadRequest(f"The endpoint '{endpoint.name}' cannot be served: {told}")
            return CompiledEndpoint(endpoint, problem=problem, task=endpoint.active.configuration.task)

    def _held_back(self, new: CompiledEndpoint, before: CompiledEndpoint | None) -> CompiledEndpoint:
        """As new, but with the targets of before while the engines of the new version are not loaded on this host.

        Another host may have activated it; here the old one serves until the engines are there.
        """
        if before is None or not before.targets or before.endpoint.id != new.endpoint.id:
            return new
        if all(target.local is None or target.local.available for target in new.targets.values()):
            return new
        return msgspec.structs.replace(
            new, targets=before.targets, routed=before.routed, bounds=before.bounds, outdated=True
        )

    def _bindings(self, secrets: Mapping[tuple[str, str], bytes]) -> Bindings:
        def resolve(model: ExternalModel) -> ExternalModel:
            opened = resolved(model, secrets, self._open)
            out_of_reach = list(_out_of_reach(opened.settings, model.settings_name, self._reach))
            if out_of_reach:
                raise InvalidSettings(out_of_reach)
            return opened

        return Bindings(resolve, self._local, self._timeouts, self._price)


def _out_of_reach(settings: Mapping[str, object], path: str, reach: Reach) -> Iterator[tuple[str, str]]:
    """Each URL in a provider's settings that must not be called, by its path."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _out_of_reach(value, f"{path}.{name}", reach)
        elif isinstance(value, str) and "://" in value and not _of_host(value, f"{path}.{name}"):
            why = reach.refuses_url(value)
            if why is not None:
                yield f"{path}.{name}", why
            elif value.lstrip().startswith("{"):
                yield from _out_of_reach(_object(value), f"{path}.{name}", reach)


def _of_host(url: str, path: str) -> bool:
    """Whether a credential says by it that the machine's own services are asked: they have a rule of their own."""
    return path.endswith(".credential_source.url") and is_metadata(url)


def _object(text: str) -> dict[str, object]:
    """The JSON object that the text is, as the credentials of some providers are; without fields if it is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def _levels(state: State) -> dict[str, dict[str, Level]]:
    found: dict[str, dict[str, Level]] = {}
    for permission in state.permissions:
        found.setdefault(permission.endpoint_id, {})[permission.subject_id] = permission.level
    return found


def _grants(state: State, people: Mapping[str, Principal]) -> Iterator[tuple[bytes, Grant]]:
    for digest, token in state.tokens:
        principal = people.get(token.principal)
        if principal is not None:
            yield digest, Grant(principal, token.expires_at, token.id)


def _not_yet(endpoint: Endpoint) -> Problem:
    """What callers are told of an endpoint whose first version is not there: to come back, if that will help."""
    if endpoint.update is Update.IN_PROGRESS:
        return NotReady(
            f"The endpoint '{endpoint.name}' is being brought up; try again in a moment.",
            retry_after=LOADING_RETRY_AFTER,
        )
    return BadRequest(
        f"The endpoint '{endpoint.name}' could not be brought up and will not come up by itself: "
        f"{endpoint.update_message or endpoint.update.value}"
    )
