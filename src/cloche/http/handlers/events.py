"""Events: what happens on the server, as it happens."""

from __future__ import annotations

from cloche.http.context import Context, ControlRequest, Streamed
from cloche.http.route import EVENTS, Needs, Row
from cloche.wire import events as wire


def watch(context: Context, request: ControlRequest) -> Streamed:
    """What happens, as server-sent events: `revision`, `endpoint`, `pull` and, where they are wanted, `call`."""
    asked = wire.read_query(request.query)
    sent = request.headers["authorization"].encode("latin-1")
    admission = context.admission
    listener = context.events.listen(asked, lambda: admission.authenticate(sent, context.snapshot()).principal)
    return Streamed(context.events.told_to(listener), listener.close)


ROUTES = (
    Row(
        "GET",
        "/api/2.0/events",
        Needs.TOKEN,
        watch,
        "cloche.events",
        query=wire.QUERY,
        media_type=EVENTS,
    ),
)
