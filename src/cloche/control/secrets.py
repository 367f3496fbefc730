"""The credentials of endpoints: which secrets a configuration may refer to, and where its plaintext ones are kept.

A plaintext becomes a secret in a hidden scope of its endpoint, named `cloche-endpoint-ID`, and a reference takes its
place: what is stored, shown and compared bears no plaintext.  Works within the caller's transaction, so that a refused
configuration leaves nothing behind.  The API for scopes and values is secret_scopes.py's.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from cloche.control.secret_references import PLAINTEXT, hidden, place, reference
from cloche.domain.access import Principal, ScopeLevel
from cloche.domain.endpoint import Configuration, ExternalModel, ServedEntity
from cloche.domain.errors import InvalidFields, PermissionDenied
from cloche.providers.catalogue import PROVIDERS
from cloche.store.sealing import CannotOpen, Sealer
from cloche.store.secrets import Scope
from cloche.store.work import REFERENCE, Work

HIDDEN = "cloche-endpoint-"
"""How the names of hidden scopes begin; nobody else's scope may be named so."""

_Place = tuple[str, str]
"""Where a credential stands in a configuration: the entity's name, and the path below its external model."""


def hidden_scope(endpoint_id: str) -> str:
    """The name of the scope that keeps an endpoint's plaintext credentials."""
    return f"{HIDDEN}{endpoint_id}"


def keep_plaintext(
    work: Work, sealer: Sealer, endpoint_id: str, configuration: Configuration, now_ms: int
) -> Configuration:
    """The configuration with a reference in place of every `X_plaintext`, whose value is kept in the hidden scope.

    A value that an earlier version of the endpoint has in the same field of the entity of the same name keeps the
    reference it has there: the same configuration given twice is the same.  Raises InvalidFields where a credential is
    given in both forms.
    """
    _refuse_both_forms(configuration)
    if not any(_has_plaintext(entity) for entity in configuration.entities):
        return configuration
    scope = hidden_scope(endpoint_id)
    before = _kept_before(work, endpoint_id)
    if work.secrets.scope(scope) is None:
        work.secrets.add_scope(Scope(scope, endpoint_id, now_ms))

    def keep(at: _Place, value: str) -> str:
        for key in before.get(at, ()):
            if _is(work, sealer, (scope, key), value):
                return reference(scope, key)
        key = secrets.token_hex(16)
        work.secrets.put(scope, key, sealer.seal(value.encode(), place(scope, key)), now_ms)
        before.setdefault(at, []).append(key)
        return reference(scope, key)

    def without(entity: ServedEntity) -> ServedEntity:
        model = entity.external_model
        if model is None:
            return entity
        group = PROVIDERS[model.provider].group
        settings = hidden(model.settings, lambda path, value: keep((entity.name, path), value), group)
        return msgspec.structs.replace(entity, external_model=msgspec.structs.replace(model, settings=settings))

    return msgspec.structs.replace(configuration, entities=tuple(map(without, configuration.entities)))


def check_readable(work: Work, principal: Principal, configuration: Configuration, endpoint_id: str) -> None:
    """See that every secret that a configuration refers to is there, and that the principal may read it.

    The endpoint's own hidden scope is readable by whoever may change the endpoint; that of another endpoint is as if
    it were not there.  Nothing has to be read where the active version has the same provider with the same settings,
    the address among them: so whoever may change an endpoint may divide its traffic anew.

    Raises InvalidFields with every fault, PermissionDenied if the only fault is a missing READ.
    """
    missing: list[tuple[str, str]] = []
    denied: list[tuple[str, str]] = []
    endpoint = work.endpoints.get(endpoint_id)
    active = () if endpoint is None or endpoint.active is None else endpoint.active.configuration.entities
    served = [(each.external_model.provider, each.external_model.settings) for each in active if each.external_model]
    asked = [
        (path, scope, key, (model.provider, model.settings) in served)
        for group, model in _models(configuration)
        for path, scope, key in _references_in(model.settings, group)
    ]
    for path, scope, key, is_served in asked:
        found = work.secrets.scope(scope)
        if found is None or found.endpoint_id not in (None, endpoint_id):
            missing.append((path, f"there is no secret scope '{scope}'"))
        elif found.endpoint_id is None and not is_served and level_on(work, principal, scope) is None:
            denied.append((path, f"'{principal.name}' lacks READ on the secret scope '{scope}'"))
        elif work.secrets.get(scope, key) is None:
            missing.append((path, f"there is no secret '{key}' in the scope '{scope}'"))
    if missing:
        raise InvalidFields(missing + denied)
    if denied:
        raise PermissionDenied("; ".join(f"{path}: {what}" for path, what in denied))


def check_destinations(work: Work, principal: Principal, configuration: Configuration, endpoint_id: str) -> None:
    """See that the endpoint's kept credentials go only where they were given for.

    Who may change an endpoint may not learn its credentials by having them sent to an address of their own: beside a
    kept one, everything but credentials must be as in an earlier version.  Administrators may.  To be asked of the
    configuration as it was given: a credential given anew may go anywhere.  Raises InvalidFields.
    """
    scope = hidden_scope(endpoint_id)
    if principal.admin or all(where != scope for _, where, _ in _references(configuration)):
        return
    earlier = {
        (key, _destination(model))
        for version in work.endpoints.versions(endpoint_id)
        for _, model in _models(version.configuration)
        for _, _, key in _references_in(model.settings, "")
    }
    faults = [
        (path, f"is kept for other settings than these: give it anew, as {path.rpartition('.')[2]}{PLAINTEXT}")
        for group, model in _models(configuration)
        for path, where, key in _references_in(model.settings, group)
        if where == scope and (key, _destination(model)) not in earlier
    ]
    if faults:
        raise InvalidFields(faults)


def _destination(model: ExternalModel) -> bytes:
    """Provider and settings without the credentials: where they would be sent, and how."""
    return msgspec.json.encode((model.provider, _public(model.settings)), order="deterministic")


def _public(settings: dict[str, Any]) -> dict[str, Any]:
    bare = {name: _public(value) if isinstance(value, dict) else value for name, value in settings.items()}
    return {
        name: value
        for name, value in bare.items()
        if value is not None
        and not name.endswith(PLAINTEXT)
        and not (isinstance(value, str) and REFERENCE.fullmatch(value))
    }


def forget_unused(work: Work, endpoint_id: str) -> None:
    """Remove the kept credentials that no version of the endpoint refers to, and the scope where the endpoint is gone.

    To be called after versions or the endpoint itself were removed.
    """
    scope = hidden_scope(endpoint_id)
    versions = work.endpoints.versions(endpoint_id)
    if not versions:
        work.secrets.remove_scope(scope)
        return
    used = {key for version in versions for _, where, key in _references(version.configuration) if where == scope}
    for key, _ in work.secrets.keys(scope):
        if key not in used:
            work.secrets.remove(scope, key)


def level_on(work: Work, principal: Principal, scope: str) -> ScopeLevel | None:
    """The principal's level on a scope."""
    if principal.admin:
        return ScopeLevel.MANAGE
    given = work.secrets.acls(scope)
    levels = (given.get(subject) for subject in (principal.id, *principal.groups))
    return max((level for level in levels if level is not None), default=None)


def _refuse_both_forms(configuration: Configuration) -> None:
    problems = [
        (path, f"give either {path.rpartition('.')[2]} or {path.rpartition('.')[2]}{PLAINTEXT}, not both")
        for group, model in _models(configuration)
        for path in _twice(model.settings, group)
    ]
    if problems:
        raise InvalidFields(problems)


def _twice(settings: dict[str, Any], path: str) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _twice(value, f"{path}.{name}")
        elif value is not None and settings.get(name + PLAINTEXT) is not None:
            yield f"{path}.{name}"


def _has_plaintext(entity: ServedEntity) -> bool:
    model = entity.external_model
    return model is not None and hidden(model.settings, lambda _, value: value, "") != model.settings


def _kept_before(work: Work, endpoint_id: str) -> dict[_Place, list[str]]:
    """The keys that each field refers to in the hidden scope, those of the newest version first."""
    scope = hidden_scope(endpoint_id)
    found: dict[_Place, list[str]] = {}
    for version in work.endpoints.versions(endpoint_id):
        for entity in version.configuration.entities:
            if entity.external_model is None:
                continue
            group = PROVIDERS[entity.external_model.provider].group
            for path, where, key in _references_in(entity.external_model.settings, group):
                keys = found.setdefault((entity.name, path), [])
                if where == scope and key not in keys:
                    keys.append(key)
    return found


def _is(work: Work, sealer: Sealer, at: tuple[str, str], value: str) -> bool:
    """Whether the secret at (scope, key) has this value, told in constant time."""
    sealed = work.secrets.get(*at)
    if sealed is None:
        return False
    try:
        return hmac.compare_digest(sealer.open(sealed, place(*at)), value.encode())
    except CannotOpen:
        return False


def _models(configuration: Configuration) -> Iterator[tuple[str, ExternalModel]]:
    """Each external model, with the path of its settings in a create body."""
    for index, entity in enumerate(configuration.entities):
        model = entity.external_model
        if model is not None:
            yield f"config.served_entities[{index}].external_model.{PROVIDERS[model.provider].group}", model


def _references(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    """(path in a create body, scope, key) of every reference."""
    for path, model in _models(configuration):
        yield from _references_in(model.settings, path)


def _references_in(settings: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _references_in(value, f"{path}.{name}")
        elif isinstance(value, str) and (found := REFERENCE.fullmatch(value)):
            yield f"{path}.{name}", found[1], found[2]
