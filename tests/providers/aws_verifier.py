"""AWS's side of a signature: computed anew from what was sent, with nothing of the code that signed it."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote


def fields_of(head: bytes) -> dict[str, str]:
    """The fields of a head, names in lower case."""
    pairs = (line.split(":", 1) for line in head.decode().split("\r\n")[1:-1])
    return {name.lower(): value.strip() for name, value in pairs}


def verified(head: bytes, body: bytes, secret: str) -> bool:
    """Whether a signed call is what it says: computed from its bytes, by the steps that AWS describes."""
    line, *_ = head.decode().split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    fields = fields_of(head)
    scheme, _, rest = fields["authorization"].partition(" ")
    told = dict(part.split("=", 1) for part in rest.split(", "))
    _, *scope = told["Credential"].split("/")
    signed = told["SignedHeaders"].split(";")
    assert scheme == "AWS4-HMAC-SHA256"
    assert signed == sorted(signed)
    assert {"host", "x-amz-date"} <= set(signed)
    canonical = "\n".join(
        (
            method,
            "/".join(quote(segment, safe="-_.~") for segment in path.split("/")),
            query,
            *(f"{name}:{' '.join(fields[name].split())}" for name in signed),
            "",
            ";".join(signed),
            hashlib.sha256(body).hexdigest(),
        )
    )
    text = "\n".join((scheme, fields["x-amz-date"], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (*scope, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == told["Signature"]
