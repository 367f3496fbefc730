"""Users, service principals and groups, as SCIM 2.0 has them."""

from __future__ import annotations

import msgspec

from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.route import Needs, Row


def me(context: Context, request: ControlRequest) -> Answer:
    """Who the token stands for, as SCIM has it.  The SDK reads the workspace's number from the header."""
    principal = request.principal
    body = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": principal.id,
        "userName": principal.name,
        "displayName": principal.name,
        "active": True,
        "emails": [],
        "groups": [{"display": "admins", "value": "admins"}] if principal.admin else [],
        "entitlements": [],
    }
    return Answer(msgspec.json.encode(body), headers=(("x-databricks-org-id", context.workspace_id),))


ROUTES = (Row("GET", "/api/2.0/preview/scim/v2/Me", Needs.TOKEN, me, "current_user.me"),)
