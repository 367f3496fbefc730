"""Signs calls to AWS: Signature Version 4, by botocore's signer.

botocore is an extra, because only Bedrock needs it (docs/decisions/0016): nothing of it is imported before a
configuration asks for it.  Only its signer is used, and of that the three steps that compute: its own entry reads the
clock and logs what it signs.  Must not know where keys come from: they are lent (domain/lending.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from cloche.domain.lending import Lent, Source, lines
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.base import InvalidSettings
from cloche.providers.host_bound import check_bound

_UNSIGNED = frozenset(("accept", "accept-encoding", "connection", "content-length", "user-agent"))
"""What a proxy in between may rewrite without changing what is asked."""

_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""How the regions begin that are not below amazonaws.com."""


def service_host(service: str, region: str) -> str:
    """The host of a service's regional endpoint."""
    domain = next((domain for start, domain in _DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    return f"{service}.{region}.{domain}"


def check_host_bound(origin: Origin, service: str, region: str, path: str) -> None:
    """InvalidSettings, under `path`, for a URL to which no call may be sent that the host's keys sign: a service's, or
    that of its endpoint in a private network, is one."""
    domain = service_host(service, region).partition(f".{region}.")[2]
    name, place = rf"([a-z0-9-]+\.)?{service}(-fips)?", re.escape(region)
    check_bound(origin, re.compile(rf"{name}\.{place}\.((vpce\.)?{re.escape(domain)}|api\.aws)"), path)


def require_signer(path: str) -> None:
    """See that calls can be signed; `path`: the setting that wants it.  InvalidSettings says what to install.

    Imports the signer (0.1 s), so that the first call does not wait for it.
    """
    try:
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials  # noqa: F401 — the three that `authorize` uses
    except ImportError:
        raise InvalidSettings([(path, "needs the extra: pip install '.[bedrock]'")]) from None


class AwsSignature(msgspec.Struct, frozen=True):
    """Signs calls to one service in one region with the keys that `source` lends.

    Lent values: `access_key_id`, `secret_access_key` and, for keys that end, `session_token`.
    """

    service: str
    region: str
    source: Source

    def authorize(self, call: HttpCall, lent: Lent, now: float) -> HttpCall:
        """The call with its time, session token and signature.  About 70 µs for each call, and 0.6 ms for each
        MB of its body.

        The target of the call is signed as it is sent, so what is no plain character of a model's name (`:`, and `/`
        in an ARN) is percent-encoded in it already; AWS wants it encoded once more where it is signed, which is done
        here.
        """
        # Late: an extra, and slow to import.
        from botocore.auth import SigV4Auth
        from botocore.credentials import Credentials

        keys = lent.values
        added = {"x-amz-date": datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")}
        if "session_token" in keys:
            added["x-amz-security-token"] = keys["session_token"]
        request = _request(call, added)
        credentials = Credentials(keys["access_key_id"], keys["secret_access_key"])
        signer = SigV4Auth(credentials, self.service, self.region)
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        signed = signer.signed_headers(signer.headers_to_sign(request))
        added["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
        )
        return lines(call, added)


def _request(call: HttpCall, added: dict[str, str]) -> Any:
    """The call as the signer reads it: an AWSRequest, its `timestamp` as context."""
    from botocore.awsrequest import AWSRequest  # late: an extra, and slow to import

    line, *fields = call.head.decode().split("\r\n")[:-1]
    method, _, rest = line.partition(" ")
    target = rest.rpartition(" ")[0]
    # The signer reads the host from the head; the one here only makes the URL whole.
    request = AWSRequest(method, f"https://host{target}", data=b"".join(call.body))
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() not in _UNSIGNED:
            request.headers[name] = value  # a field that is there twice is kept twice
    for name, value in added.items():
        request.headers[name] = value
    request.context["timestamp"] = added["x-amz-date"]
    return request
