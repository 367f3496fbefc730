"""Which endpoint and which served entity a call goes to.  No clock; dice are passed in."""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.endpoint import TASKS
from cloche.domain.errors import BadRequest, EndpointNotFound
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.snapshot import CompiledEndpoint, Snapshot, Target


def split_model(model: str | None) -> tuple[str, str | None]:
    """Endpoint and entity from the `model` of a chat completion: `endpoint` or `endpoint/entity`."""
    if not model:
        raise BadRequest("model: this field is required here; it names the serving endpoint")
    endpoint, slash, entity = model.partition("/")
    return endpoint, entity if slash else None


def find(snapshot: Snapshot, endpoint: str) -> CompiledEndpoint:
    """The endpoint of that name.  EndpointNotFound."""
    compiled = snapshot.endpoints.get(endpoint)
    if compiled is None:
        raise EndpointNotFound(f"The serving endpoint '{endpoint}' does not exist.")
    return compiled


_PATHS = MappingProxyType(dict(zip(TASKS, ("chat/completions", "completions", "embeddings"), strict=True)))


def check_task(compiled: CompiledEndpoint, task: str) -> None:
    """See that the endpoint does what is asked.  BadRequest says what it does, and where."""
    if task != compiled.task:
        raise BadRequest(
            f"model: the endpoint '{compiled.endpoint.name}' does {compiled.task}, not {task}: "
            f"call /serving-endpoints/{_PATHS[compiled.task]}"
        )


def others(compiled: CompiledEndpoint, first: Target) -> tuple[Target, ...]:
    """The other targets, in the order in which they were declared: those that a call falls back to."""
    return tuple(target for target in compiled.targets.values() if target is not first)


def choose(compiled: CompiledEndpoint, entity: str | None, dice: float) -> Target:
    """The target: the named entity, or one by the endpoint's traffic split.  EndpointNotFound says what is missing."""
    if compiled.problem is not None:
        raise compiled.problem
    if entity is None:
        return compiled.pick(dice)
    target = compiled.targets.get(entity)
    if target is None:
        names = ", ".join(sorted(compiled.targets))
        name = compiled.endpoint.name
        raise EndpointNotFound(f"The endpoint '{name}' has no served entity '{entity}'; it has: {names}.")
    return target


CONVERSATION_HEADER = b"cloche-conversation-id"


class _Metadata(msgspec.Struct):
    conversation_id: str | None = None


def sticky_key(rules: AiGateway, call: Call, request: Request) -> str | None:
    """What this call has in common with others that go to the same entity; None if it has nothing, or need not."""
    sticky_by = None if rules.routing_config is None else rules.routing_config.sticky_by
    if sticky_by is None:
        return None
    if sticky_by == "user":
        return None if call.grant is None else call.grant.principal.id
    named = call.headers.get(CONVERSATION_HEADER, b"").decode("utf-8", "replace")
    return named or _conversation(request) or request.params.user


def _conversation(request: Request) -> str | None:
    raw = request.fields.get("metadata")
    try:
        return None if raw is None else msgspec.json.decode(raw, type=_Metadata).conversation_id
    except msgspec.DecodeError:
        return None  # a number, or no object: it is the provider's to judge
