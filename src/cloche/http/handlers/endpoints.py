"""Serving endpoints: the routes of the Databricks API."""

from __future__ import annotations

from typing import Any, NoReturn

from msgspec.structs import replace

from cloche.control.endpoint_changes import CONFIG, Rehearsal, told_at
from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.domain.access import Level, level_of
from cloche.domain.ai_gateway import AiGateway
from cloche.domain.endpoint import Endpoint, Properties
from cloche.domain.errors import InvalidFields, InvalidParameter, NotSupported
from cloche.gateway import routing
from cloche.gateway.admission import visible
from cloche.http.answers import flag, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import gateway_config, oauth, serving, serving_input, serving_reading
from cloche.wire.endpoint_openapi import endpoint_openapi
from cloche.wire.older_words import in_words_of

PROBE = (
    "probe",
    "`true`, with `dry_run`: send a short chat call through each external model, and tell what came of it",
)
DRY_RUN = ("dry_run", "`true`: check everything and tell what would be, and change nothing")


def list_endpoints(context: Context, request: ControlRequest) -> Answer:
    """Every endpoint that the caller may see, in short."""
    shown = visible(request.principal, context.snapshot())
    return json(serving.endpoint_list((endpoint, context.status(endpoint)) for endpoint in shown))


def get_endpoint(context: Context, request: ControlRequest) -> Answer:
    """One endpoint."""
    compiled = routing.find(context.snapshot(), request.path["name"])
    level = level_of(request.principal, compiled.levels) or Level.CAN_VIEW
    return document(context, request, compiled.endpoint, level)


def document(context: Context, request: ControlRequest, endpoint: Endpoint, level: Level = Level.CAN_MANAGE) -> Answer:
    """An endpoint as its caller sees it, who has that level on it."""
    return json(_shown(context, request, endpoint, level))


def _shown(
    context: Context, request: ControlRequest, endpoint: Endpoint, level: Level = Level.CAN_MANAGE
) -> dict[str, Any]:
    viewer = serving.Viewer(level.name, context.base_url(request), oauth.authorization_details(endpoint.id))
    return serving.endpoint_document(endpoint, context.status(endpoint), viewer)


def get_openapi(context: Context, request: ControlRequest) -> Answer:
    """The OpenAPI document of an endpoint's queries."""
    endpoint = routing.find(context.snapshot(), request.path["name"]).endpoint
    return json(endpoint_openapi(endpoint, context.base_url(request)))


# ---------------------------------------------------------------- made, changed, removed


def create_endpoint(context: Context, request: ControlRequest) -> Answer:
    """Make an endpoint, which its creator may manage."""
    return _create(context, request, serving_input.CreateEndpoint)


def create_pt_endpoint(context: Context, request: ControlRequest) -> Answer:
    """Make an endpoint with provisioned throughput, which here is one of local models like any other."""
    return _create(context, request, serving_input.CreatePtEndpoint)


def _create(context: Context, request: ControlRequest, kind: Any) -> Answer:
    body = serving_reading.parsed(request.body)
    declaration = serving_reading.read_endpoint(body, PROVIDER_FORMS, kind)
    rehearsal = _rehearsal(request)
    with in_words_of(body):
        endpoint = context.endpoints.create(request.caller, declaration, rehearsal=rehearsal)
    return _rehearsed(context, request, endpoint, rehearsal)


def _rehearsal(request: ControlRequest) -> Rehearsal | None:
    """A dry run, if that is wanted."""
    if flag(request, "dry_run"):
        return Rehearsal()
    if flag(request, "probe"):
        raise InvalidParameter("probe: goes with dry_run=true only")
    return None


def _rehearsed(context: Context, request: ControlRequest, endpoint: Endpoint, rehearsal: Rehearsal | None) -> Answer:
    """The endpoint that is or would be, and what came of the probes if they are wanted."""
    shown = _shown(context, request, endpoint)
    if rehearsal is not None and flag(request, "probe"):
        shown["probes"] = context.probe(rehearsal.targets)
    return json(shown)


def delete_endpoint(context: Context, request: ControlRequest) -> Answer:
    """Remove an endpoint.  Calls under way go on."""
    context.endpoints.remove(request.caller, request.path["name"])
    return json({})


def update_config(context: Context, request: ControlRequest) -> Answer:
    """Give an endpoint a new version of its configuration; the one before serves until the new one can."""
    name = request.path["name"]
    newest = routing.find(context.snapshot(), name).endpoint.newest
    body = serving_reading.parsed(request.body)
    configuration, expected = serving_reading.read_configuration(body, PROVIDER_FORMS, newest.configuration)
    if expected is None and configuration.entities is newest.configuration.entities:
        expected = newest.number  # only the traffic changes, and that of the entities which were looked at
    rehearsal = _rehearsal(request)
    with in_words_of(body):
        endpoint = context.endpoints.update(request.caller, name, configuration, expected=expected, rehearsal=rehearsal)
    return _rehearsed(context, request, endpoint, rehearsal)


def update_pt_config(context: Context, request: ControlRequest) -> Answer:
    """The same for an endpoint with provisioned throughput."""
    body = serving_reading.parsed(request.body)
    configuration = serving_reading.read_pt_configuration(body, PROVIDER_FORMS)
    rehearsal = _rehearsal(request)
    with told_at(lambda path: CONFIG + path):
        endpoint = context.endpoints.update(request.caller, request.path["name"], configuration, rehearsal=rehearsal)
    return _rehearsed(context, request, endpoint, rehearsal)


# ---------------------------------------------------------------- properties, which change at once


def put_ai_gateway(context: Context, request: ControlRequest) -> Answer:
    """Give an endpoint these gateway rules and no others."""
    body = serving_reading.parsed(request.body)

    def changed(properties: Properties) -> Properties:
        return replace(properties, ai_gateway=gateway_config.read_ai_gateway(body, properties.ai_gateway))

    return json(_change(context, request, "endpoint.ai_gateway", changed).ai_gateway)


def put_rate_limits(context: Context, request: ControlRequest) -> Answer:
    """Give an endpoint these rate limits, as part of its gateway rules."""
    limits = gateway_config.read_rate_limits(serving_reading.parsed(request.body))

    def changed(properties: Properties) -> Properties:
        return replace(properties, ai_gateway={**(properties.ai_gateway or {}), "rate_limits": limits})

    _change(context, request, "endpoint.rate_limits", changed)
    return json({"rate_limits": limits})


def patch_tags(context: Context, request: ControlRequest) -> Answer:
    """Add tags and delete tags."""
    body = serving_reading.parsed(request.body)
    patch = serving_reading.read(body, serving_input.PatchTags)
    twice = serving_reading.tag_faults(body.get("add_tags"), "add_tags")
    if twice:
        raise InvalidFields(twice)

    def changed(properties: Properties) -> Properties:
        return replace(properties, tags=serving_reading.changed_tags(properties.tags, patch))

    return json({"tags": _change(context, request, "endpoint.tags", changed).tags})


def patch_notifications(context: Context, request: ControlRequest) -> Answer:
    """Say who wants to hear of updates.  That is kept; no mail is sent."""
    patch = serving_reading.read(serving_reading.parsed(request.body), serving_input.PatchNotifications)
    wanted = serving_reading.kept(patch.email_notifications)

    def changed(properties: Properties) -> Properties:
        return replace(properties, email_notifications=wanted)

    _change(context, request, "endpoint.notifications", changed)
    return json({"name": request.path["name"], "email_notifications": wanted or {}})


def patch_telemetry(context: Context, request: ControlRequest) -> Answer:
    """Say what telemetry is wanted.  That is kept, and without effect."""
    patch = serving_reading.read(serving_reading.parsed(request.body), serving_input.PatchTelemetry)
    wanted = serving_reading.kept(patch.telemetry_config)

    def changed(properties: Properties) -> Properties:
        return replace(properties, telemetry_config=wanted)

    name = request.path["name"]
    endpoint = context.endpoints.change_properties(request.caller, name, "endpoint.telemetry", changed)
    return document(context, request, endpoint)


def _change(context: Context, request: ControlRequest, action: str, changed: Any) -> Properties:
    return context.endpoints.change_properties(request.caller, request.path["name"], action, changed).properties


def clear_cache(context: Context, request: ControlRequest) -> Answer:
    """Give no answer again that is kept now, on any host: they are those of an endpoint that has changed since."""
    _change(context, request, "endpoint.cache_clear", lambda properties: properties)
    return json({})


def external_function(context: Context, request: ControlRequest) -> NoReturn:
    """Calls through Unity Catalog connections, which are not served."""
    raise NotSupported("external functions call services through Unity Catalog connections, which cloche does not have")


_AT = "/api/2.0/serving-endpoints"
_ONE = f"{_AT}/{{name}}"

ROUTES = (
    Row("GET", _AT, Needs.TOKEN, list_endpoints, "serving_endpoints.list"),
    Row(
        "POST",
        _AT,
        Needs.CREATE,
        create_endpoint,
        "serving_endpoints.create",
        serving_input.CreateEndpoint,
        query=(DRY_RUN, PROBE),
    ),
    Row(
        "POST",
        f"{_AT}/pt",
        Needs.CREATE,
        create_pt_endpoint,
        "serving_endpoints.create_provisioned_throughput_endpoint",
        serving_input.CreatePtEndpoint,
        query=(DRY_RUN, PROBE),
    ),
    Row("GET", _ONE, Needs.VIEW, get_endpoint, "serving_endpoints.get"),
    Row("DELETE", _ONE, Needs.MANAGE, delete_endpoint, "serving_endpoints.delete"),
    Row("GET", f"{_ONE}/openapi", Needs.VIEW, get_openapi, "serving_endpoints.get_open_api"),
    Row(
        "PUT",
        f"{_ONE}/config",
        Needs.MANAGE,
        update_config,
        "serving_endpoints.update_config",
        serving_input.ConfigInput,
        query=(DRY_RUN, PROBE),
    ),
    Row(
        "PUT",
        f"{_AT}/pt/{{name}}/config",
        Needs.MANAGE,
        update_pt_config,
        "serving_endpoints.update_provisioned_throughput_endpoint_config",
        serving_input.UpdatePtConfig,
        query=(DRY_RUN, PROBE),
    ),
    Row(
        "PUT",
        f"{_ONE}/ai-gateway",
        Needs.MANAGE,
        put_ai_gateway,
        "serving_endpoints.put_ai_gateway",
        AiGateway,
    ),
    Row(
        "PUT",
        f"{_ONE}/rate-limits",
        Needs.MANAGE,
        put_rate_limits,
        "serving_endpoints.put",
        gateway_config.RateLimitsInput,
    ),
    Row("PATCH", f"{_ONE}/tags", Needs.MANAGE, patch_tags, "serving_endpoints.patch", serving_input.PatchTags),
    Row(
        "PATCH",
        f"{_ONE}/notifications",
        Needs.MANAGE,
        patch_notifications,
        "serving_endpoints.update_notifications",
        serving_input.PatchNotifications,
    ),
    Row(
        "PATCH",
        f"{_ONE}/telemetry-config",
        Needs.MANAGE,
        patch_telemetry,
        "serving_endpoints.patch_telemetry_config",
        serving_input.PatchTelemetry,
    ),
    Row("DELETE", f"{_ONE}/cache", Needs.MANAGE, clear_cache, "cloche.cache.clear"),
    Row("POST", "/api/2.0/external-function", Needs.TOKEN, external_function, "serving_endpoints.http_request"),
)
