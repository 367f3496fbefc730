"""Every endpoint at once: exported, and brought to what a document says."""

from __future__ import annotations

from cloche.control.provider_forms import PROVIDER_FORMS
from cloche.http.answers import flag, json
from cloche.http.context import Answer, Context, ControlRequest
from cloche.http.handlers.endpoints import DRY_RUN
from cloche.http.route import Needs, Row
from cloche.wire import serving_input, serving_reading
from cloche.wire.older_words import in_words_of


def export(context: Context, request: ControlRequest) -> Answer:
    """The create body of every endpoint, with references in place of credentials, and without permissions."""
    return json({"endpoints": context.configurations.export()})


def apply(context: Context, request: ControlRequest) -> Answer:
    """Bring the endpoints to what the body says, all of them or none, and tell what was changed."""
    body = serving_reading.parsed(request.body)
    declarations = serving_reading.read_endpoints(body, PROVIDER_FORMS)
    prune, dry_run = flag(request, "prune"), flag(request, "dry_run")
    with in_words_of(body):
        return json(context.configurations.apply(request.caller, declarations, prune=prune, dry_run=dry_run))


_AT = "/api/2.0/cloche/configuration"
_PRUNE = ("prune", "`true`: remove the endpoints that the body does not name")

ROUTES = (
    Row("GET", _AT, Needs.ADMIN, export, "cloche.configuration.export"),
    Row(
        "PUT",
        _AT,
        Needs.ADMIN,
        apply,
        "cloche.configuration.apply",
        serving_input.ConfigurationInput,
        query=(DRY_RUN, _PRUNE),
    ),
)
