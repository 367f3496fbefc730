"""What would be sent to a provider, as JSON: everything that may be a secret is hidden.

Only header fields and query parameters that are known to be none are shown, so that a new provider's key is hidden
before anybody has thought of it.  Must not know how a call is made.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from cloche.domain.outbound import OPEN_FIELDS, HttpCall

HIDDEN = "•••"

_OPEN_PARAMETERS = frozenset(("api-version", "alt"))


class PreviewInput(msgspec.Struct, frozen=True):
    """POST …/upstream-request.  `body`: as a call to the endpoint has it.  `entity` null: the first that has
    traffic."""

    body: dict[str, Any]
    entity: str | None = None


class UpstreamRequest(msgspec.Struct, frozen=True):
    """What would be sent.  `provider`: `local` for a model of this host.  `body`: JSON, or text where it is none.

    `translation`: what became of the request's fields, as the answer's header `cloche-translation` would say it.
    """

    entity: str
    provider: str
    method: str
    url: str
    headers: dict[str, str]
    body: Any
    translation: str


def upstream_request(entity: str, provider: str, call: HttpCall, translation: str) -> UpstreamRequest:
    """A call as it is told."""
    request, *fields = call.head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request.split(" ", 2)
    pairs = (field.partition(": ") for field in fields)
    headers = {name: value if name.lower() in OPEN_FIELDS else HIDDEN for name, _, value in pairs}
    if call.authorizer is not None:
        headers.setdefault("authorization", HIDDEN)
    host = headers.get("host", call.origin.host)
    url = f"{'https' if call.origin.tls else 'http'}://{host}{_shown(target)}"
    return UpstreamRequest(entity, provider, method, url, headers, _body(call), translation)


def _shown(target: str) -> str:
    """Path and query, without the values of parameters that may be secrets."""
    path, mark, query = target.partition("?")
    told = (
        f"{quote(name)}={quote(value) if name in _OPEN_PARAMETERS else HIDDEN}"
        for name, value in parse_qsl(query, keep_blank_values=True)
    )
    return path + mark + "&".join(told)


def _body(call: HttpCall) -> Any:
    body = b"".join(call.body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "replace")
