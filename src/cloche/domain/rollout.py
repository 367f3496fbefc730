"""How an endpoint goes from one version of its configuration to the next: the states of the API, as functions.

    begin      READY or not / IN_PROGRESS     the new version is pending, the active one, if any, goes on serving
    activate   READY / NOT_UPDATING           the pending version takes over
    fail       as before / UPDATE_FAILED      the active one stays; the pending one is kept, with the reason
    cancel     as before / UPDATE_CANCELED    the active one stays; the pending one is given up for another

Must not know who brings a version up, nor how.
"""

from __future__ import annotations

from msgspec.structs import replace

from cloche.domain.endpoint import Endpoint, Update, Version
from cloche.domain.errors import Conflict


def begin(endpoint: Endpoint, version: Version, now_ms: int) -> Endpoint:
    """A new version is to take over.  Conflict while another one is under way."""
    if endpoint.update is Update.IN_PROGRESS:
        raise Conflict(f"The endpoint '{endpoint.name}' is being updated: wait until that is done, then try again.")
    return replace(endpoint, pending=version, update=Update.IN_PROGRESS, update_message="", updated_at=now_ms)


def activate(endpoint: Endpoint, now_ms: int) -> Endpoint:
    """The pending version serves from now on."""
    assert endpoint.pending is not None
    return replace(
        endpoint,
        active=endpoint.pending,
        pending=None,
        update=Update.NOT_UPDATING,
        update_message="",
        updated_at=now_ms,
    )


def fail(endpoint: Endpoint, reason: str, now_ms: int) -> Endpoint:
    """The pending version cannot serve; whatever served before goes on."""
    return replace(endpoint, update=Update.UPDATE_FAILED, update_message=reason, updated_at=now_ms)


def cancel(endpoint: Endpoint, now_ms: int) -> Endpoint:
    """Give up the pending version, if one is under way; whatever served before goes on."""
    if endpoint.update is not Update.IN_PROGRESS:
        return endpoint
    return replace(endpoint, update=Update.UPDATE_CANCELED, updated_at=now_ms)
