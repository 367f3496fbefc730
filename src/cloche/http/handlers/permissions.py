"""Permissions on serving endpoints, keyed by the endpoint's id."""

from __future__ import annotations

from cloche.http.answers import decoded, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row
from cloche.wire import permissions

_PATH = "/api/2.0/permissions/serving-endpoints/{id}"


def get_permissions(context: Context, request: ControlRequest) -> Answer:
    """Who may do what with an endpoint."""
    endpoint_id = request.path["id"]
    return json(permissions.document(endpoint_id, context.permissions.of(endpoint_id)))


def set_permissions(context: Context, request: ControlRequest) -> Answer:
    """Replace the levels given on an endpoint."""
    entries = permissions.entries(decoded(request.body, permissions.SetPermissions))
    context.permissions.replace(request.caller, request.path["id"], entries)
    return get_permissions(context, request)


def update_permissions(context: Context, request: ControlRequest) -> Answer:
    """Give levels on an endpoint and leave those of others as they are."""
    entries = permissions.entries(decoded(request.body, permissions.SetPermissions))
    context.permissions.merge(request.caller, request.path["id"], entries)
    return get_permissions(context, request)


def get_permission_levels(context: Context, request: ControlRequest) -> Answer:
    """The levels that there are."""
    return json(permissions.levels_document())


def explain(context: Context, request: ControlRequest) -> Answer:
    """Why somebody may or may not do something with an endpoint: every way in which they have a level on it.  About
    others it takes CAN_MANAGE."""
    wanted = permissions.read_wanted(request.query.get("level"))
    name = request.query.get("principal")
    return json(context.permissions.explain(request.principal, request.path["id"], name, wanted))


_BODY, _GIVEN = permissions.SetPermissions, permissions.ObjectPermissions

ROUTES = (
    Row("GET", _PATH, Needs.VIEW, get_permissions, "serving_endpoints.get_permissions", gives=_GIVEN),
    Row("PUT", _PATH, Needs.MANAGE, set_permissions, "serving_endpoints.set_permissions", _BODY, _GIVEN),
    Row("PATCH", _PATH, Needs.MANAGE, update_permissions, "serving_endpoints.update_permissions", _BODY, _GIVEN),
    Row(
        "GET",
        f"{_PATH}/permissionLevels",
        Needs.VIEW,
        get_permission_levels,
        "serving_endpoints.get_permission_levels",
    ),
    Row(
        "GET",
        f"{_PATH}/explain",
        Needs.VIEW,
        explain,
        "cloche.permissions.explain",
        gives=permissions.Explanation,
        query=permissions.EXPLAIN_QUERY,
    ),
)
