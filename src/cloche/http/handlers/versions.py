"""The versions of an endpoint's configuration: looked at, compared, brought back."""

from __future__ import annotations

from cloche.domain.errors import InvalidParameter
from cloche.http.answers import flag, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.handlers.endpoints import DRY_RUN, document
from cloche.http.route import Needs, Row
from cloche.wire import serving, serving_input, serving_reading


def list_versions(context: Context, request: ControlRequest) -> Answer:
    """Every configuration that an endpoint has had, the newest first."""
    return json(serving.version_list(*context.versions.all(request.path["name"])))


def get_version(context: Context, request: ControlRequest) -> Answer:
    """One of them."""
    number = _number(request.path["number"], "version")
    return json(serving.version_document(*context.versions.one(request.path["name"], number)))


def get_diff(context: Context, request: ControlRequest) -> Answer:
    """What is different in a version, compared with the one in force or the one named by `against`."""
    number = _number(request.path["number"], "version")
    given = request.query.get("against")
    against = None if given is None else _number(given, "against")
    compared, changes = context.versions.compare(request.path["name"], number, against)
    return json({"version": number, "against": compared, "changes": changes})


def rollback(context: Context, request: ControlRequest) -> Answer:
    """Give an endpoint the configuration of an earlier version, as a new version."""
    wanted = serving_reading.read(serving_reading.parsed(request.body), serving_input.Rollback)
    dry_run = flag(request, "dry_run")
    name = request.path["name"]
    return document(context, request, context.versions.rollback(request.caller, name, wanted.version, dry_run=dry_run))


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise InvalidParameter(f"{name}: must be the number of a version")
    return int(text)


_AT = "/api/2.0/serving-endpoints/{name}"

ROUTES = (
    Row("GET", f"{_AT}/versions", Needs.VIEW, list_versions, "cloche.versions.list"),
    Row("GET", f"{_AT}/versions/{{number}}", Needs.VIEW, get_version, "cloche.versions.get"),
    Row(
        "GET",
        f"{_AT}/versions/{{number}}/diff",
        Needs.VIEW,
        get_diff,
        "cloche.versions.diff",
        query=(("against", "the version to compare with; without it the one in force"),),
    ),
    Row(
        "POST",
        f"{_AT}/rollback",
        Needs.MANAGE,
        rollback,
        "cloche.versions.rollback",
        serving_input.Rollback,
        query=(DRY_RUN,),
    ),
)
