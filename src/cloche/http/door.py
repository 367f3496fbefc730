"""Who gets in: what a route needs, compared with what the caller has.  Deny by default."""

from __future__ import annotations

from cloche.domain.access import Level
from cloche.domain.errors import EndpointNotFound, PermissionDenied
from cloche.gateway import routing
from cloche.gateway.admission import Admission, check_level
from cloche.http.context import ControlRequest
from cloche.http.route import Needs
from cloche.snapshot import CompiledEndpoint, Grant, Snapshot

_LEVELS = {Needs.VIEW: Level.CAN_VIEW, Needs.QUERY: Level.CAN_QUERY, Needs.MANAGE: Level.CAN_MANAGE}
_BY_USE_CASE = frozenset((Needs.TOKEN, Needs.SCOPE_READ, Needs.SCOPE_WRITE, Needs.SCOPE_MANAGE))


def recognise(request: ControlRequest, needs: Needs, admission: Admission, snapshot: Snapshot) -> Grant | None:
    """What the caller's token stands for; None where anybody may come.  Unauthenticated."""
    if needs is Needs.PUBLIC:
        return None
    sent = request.headers.get("authorization")
    return admission.authenticate(None if sent is None else sent.encode("latin-1"), snapshot)


def admit(request: ControlRequest, needs: Needs, snapshot: Snapshot) -> None:
    """Let the recognised caller in.  PermissionDenied or EndpointNotFound if they may not."""
    grant = request.grant
    if needs is Needs.PUBLIC:
        return
    assert grant is not None, "the caller was not recognised"
    if needs in _LEVELS:
        check_level(grant, _endpoint(request, snapshot), _LEVELS[needs])
        return
    if grant.endpoint_id is not None:
        raise PermissionDenied("this token is good for queries of one endpoint only")
    if needs in _BY_USE_CASE or grant.principal.admin:
        return
    if needs is Needs.CREATE and grant.principal.may_create:
        return
    raise PermissionDenied(f"'{grant.principal.name}' lacks what this needs: {needs.value}")


def _endpoint(request: ControlRequest, snapshot: Snapshot) -> CompiledEndpoint:
    if "name" in request.path:
        return routing.find(snapshot, request.path["name"])
    found = snapshot.with_id(request.path["id"])
    if found is None:
        raise EndpointNotFound(f"There is no serving endpoint with the id '{request.path['id']}'.")
    return found
