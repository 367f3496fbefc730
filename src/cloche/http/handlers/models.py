"""The models of this host: listed for everybody, fetched and deleted by administrators."""

from __future__ import annotations

from cloche.domain.access import Principal
from cloche.engine.catalogue import Model
from cloche.engine.memory import host_memory
from cloche.gateway.admission import visible
from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.snapshot import Snapshot
from cloche.wire import models as wire


def list_models(context: Context, request: ControlRequest) -> Answer:
    """The models on this host, those that can be fetched by name, how fetching goes, and the memory there is."""
    here = context.host_models.here()
    names = {each.name for each in here}
    known = [
        wire.KnownModel(each.name, each.size, each.licence, each.name in names) for each in context.host_models.known()
    ]
    memory = host_memory()
    return json(
        wire.Models(
            models=[_shown(context, context.snapshot(), request.principal, each) for each in here],
            known=known,
            pulls=context.host_models.pulls() if request.principal.admin else [],
            memory=None if memory is None else wire.Memory(*memory),
        )
    )


def _shown(context: Context, snapshot: Snapshot, principal: Principal, model: Model) -> wire.ModelShown:
    naming = snapshot.state.naming(model.name)
    seen = {endpoint.name for endpoint in visible(principal, snapshot)}
    return wire.ModelShown(
        name=model.name,
        size=model.size,
        context_length=model.context_length,
        licence=model.licence,
        # Where a file lay on this machine is the operator's affair.
        source=model.source if principal.admin or not model.source.startswith("file:") else "file",
        sha256=model.sha256,
        state=context.models.condition(model.name).deployment if naming else None,
        endpoints=[name for name in naming if name in seen],
    )


def pull(context: Context, request: ControlRequest) -> Answer:
    """Begin to fetch a model; how it goes is in the list."""
    asked = decoded(request.body, wire.PullModel)
    return json({"id": context.host_models.pull(request.caller, asked.spec, asked.name).id})


def delete(context: Context, request: ControlRequest) -> Answer:
    """Delete a model's files, unless an endpoint names it."""
    context.host_models.delete(request.caller, request.path["name"])
    return json({})


_PATH = "/api/2.0/models"

ROUTES = (
    Row("GET", _PATH, Needs.TOKEN, list_models, "cloche.models.list", gives=wire.Models),
    Row("POST", f"{_PATH}/pull", Needs.ADMIN, pull, "cloche.models.pull", wire.PullModel),
    Row("DELETE", f"{_PATH}/{{name}}", Needs.ADMIN, delete, "cloche.models.delete"),
)
