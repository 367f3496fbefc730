"""Whether two calls ask the same: what a caller's answer depends on, as one name.

Fields are compared by the bytes in which they were written, in whatever order they came.  To read them and write them
in one form would find more calls alike, but what two readers of JSON understand differently, as a name that comes
twice, would be one question with two answers.  Must not know what the name is for.
"""

from __future__ import annotations

import hashlib

from cloche.gateway import routing
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.snapshot import CompiledEndpoint

_NO_MATTER = frozenset({"model", "stream", "client_request_id", "usage_context"})
"""Fields that no answer depends on; whether it is a stream, the call knows better."""


def generation(compiled: CompiledEndpoint) -> str:
    """Changes with every change of the endpoint, be it of its configuration, its rules or its tags."""
    endpoint = compiled.endpoint
    number = 0 if endpoint.active is None else endpoint.active.number
    return f"{endpoint.id}-{number}-{endpoint.updated_at}"


def question(call: Call, request: Request, compiled: CompiledEndpoint, entity: str | None, *, whose: str) -> bytes:
    """A digest of what is asked, of whom and by whom.  `entity`: the only one that may be asked.  `whose`: "" for
    everybody's.  3 µs, and 1 µs for each kilobyte."""
    rules = compiled.rules
    sticky = None if rules is None else routing.sticky_key(rules, call, request)
    form = "stream" if call.stream else "whole"
    parts = [generation(compiled), whose, entity or "", sticky or "", call.task, form, str(call.strict)]
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        _add(digest, part.encode("utf-8", "surrogatepass"))
    for name in sorted(request.fields):
        if name not in _NO_MATTER:
            _add(digest, name.encode("utf-8", "surrogatepass"))
            _add(digest, bytes(request.fields[name]))
    return digest.digest()


def _add(digest: hashlib.blake2b, part: bytes) -> None:
    """With its length, so that no two lists of parts are one text."""
    digest.update(b"%d:" % len(part))
    digest.update(part)
