"""Signatures: AWS's published vectors, and a verifier of our own that computes them anew from what would be sent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import botocore
import pytest

from cloche.domain.lending import Lent
from cloche.domain.outbound import HttpCall, Origin
from cloche.providers.aws_credentials import StaticKeys
from cloche.providers.aws_signing import AwsSignature, service_host
from cloche.providers.base import render_head

from .aws_verifier import fields_of, verified

KEYS = StaticKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
LENT = Lent({"access_key_id": KEYS.access_key_id, "secret_access_key": KEYS.secret_access_key})
NOW = 1440938160.7  # 20150830T123600Z
ALL = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthA"
    "x7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY"
    "9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = "content-type: application/x-www-form-urlencoded"


class Vector(NamedTuple):
    """A case of AWS's test suite: what is sent besides host and date, which fields are signed, and the signature."""

    signature: str
    line: str = "GET /"
    fields: tuple[str, ...] = ()
    signed: str = "host;x-amz-date"
    body: bytes = b""
    token: str | None = None


VECTORS = {
    "get-vanilla": Vector("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-header-value-trim": Vector(
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        fields=("My-Header1:  value1", 'My-Header2: "a   b   c"'),
        signed="host;my-header1;my-header2;x-amz-date",
    ),
    "get-header-key-duplicate": Vector(
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        fields=("My-Header1: value2", "My-Header1: value2", "My-Header1: value1"),
        signed="host;my-header1;x-amz-date",
    ),
    "get-header-value-order": Vector(
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        fields=("My-Header1: value4", "My-Header1: value1", "My-Header1: value3", "My-Header1: value2"),
        signed="host;my-header1;x-amz-date",
    ),
    "get-unreserved": Vector("07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", f"GET /{ALL}"),
    "get-utf8": Vector("8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", "GET /ሴ"),
    "get-space": Vector("652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741", "GET /example space/"),
    "get-vanilla-empty-query-key": Vector(
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", "GET /?Param1=value1"
    ),
    "get-vanilla-query-order-key-case": Vector(
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", "GET /?Param2=value2&Param1=value1"
    ),
    "get-vanilla-query-unreserved": Vector(
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", f"GET /?{ALL}={ALL}"
    ),
    "get-vanilla-utf8-query": Vector(
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", "GET /?%E1%88%B4=bar"
    ),
    "post-vanilla": Vector("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST /"),
    "post-vanilla-query": Vector(
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11", "POST /?Param1=value1"
    ),
    "post-header-key-sort": Vector(
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        "POST /",
        ("My-Header1: value1",),
        "host;my-header1;x-amz-date",
    ),
    "post-header-value-case": Vector(
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        "POST /",
        ("My-Header1: VALUE1",),
        "host;my-header1;x-amz-date",
    ),
    "post-sts-header-before": Vector(
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        "POST /",
        signed="host;x-amz-date;x-amz-security-token",
        token=TOKEN,
    ),
    "post-x-www-form-urlencoded": Vector(
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        "POST /",
        (FORM,),
        "content-type;host;x-amz-date",
        b"Param1=value1",
    ),
    "post-x-www-form-urlencoded-parameters": Vector(
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        "POST /",
        (f"{FORM}; charset=utf8",),
        "content-type;host;x-amz-date",
        b"Param1=value1",
    ),
}
"""https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html, as AWS published it."""


@pytest.mark.parametrize("vector", VECTORS.values(), ids=list(VECTORS))
def test_published_vectors(vector: Vector) -> None:
    """The Authorization field is, byte for byte, the one that AWS published; the rest of the head stays."""
    origin = Origin("example.amazonaws.com", 443, tls=True)
    head = "\r\n".join((f"{vector.line} HTTP/1.1", "Host: example.amazonaws.com", *vector.fields, "")).encode()
    values = LENT.values if vector.token is None else {**LENT.values, "session_token": vector.token}
    call = HttpCall(origin, head, [vector.body[:5], memoryview(vector.body)[5:]])
    sent = AwsSignature("service", "us-east-1", KEYS).authorize(call, Lent(values), NOW)
    assert sent.head.startswith(head)
    assert sent.body is call.body
    assert fields_of(sent.head[len(head) - 2 :])["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={vector.signed}, Signature={vector.signature}"
    )


BODY = b'{"messages": []}'
MODELS = (
    "anthropic.claude-3-haiku-20240307-v1:0",
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-20250514-v1:0",
)


@pytest.mark.parametrize("token", [None, "a+session/token=="])
@pytest.mark.parametrize("model", MODELS)
def test_a_call_to_bedrock(model: str, token: str | None) -> None:
    """A model's name with `:` and `/`, a body in pieces and a session token pass a verifier written from AWS's text."""
    origin = Origin(service_host("bedrock-runtime", "eu-central-1"), 443, tls=True)
    head = render_head(origin, f"/model/{quote(model, safe='')}/converse-stream", {"accept": "*/*"})
    values = LENT.values if token is None else {**LENT.values, "session_token": token}
    signature = AwsSignature("bedrock", "eu-central-1", KEYS)
    sent = signature.authorize(HttpCall(origin, head, [BODY[:7], memoryview(BODY)[7:]]), Lent(values), NOW)
    fields = fields_of(sent.head)
    assert verified(sent.head, BODY, KEYS.secret_access_key)
    assert fields.get("x-amz-security-token") == token
    assert fields["x-amz-date"] == "20150830T123600Z"
    assert ("x-amz-security-token" in fields["authorization"]) == (token is not None)
    assert "user-agent" not in fields["authorization"]
    for wrong in (sent.head.replace(b"converse", b"convers3"), sent.head.replace(b"123600Z", b"123601Z")):
        assert not verified(wrong, BODY, KEYS.secret_access_key)
    assert not verified(sent.head, b"another body", KEYS.secret_access_key)


def test_hosts_of_regions() -> None:
    """Each region that botocore knows is below the domain that botocore gives it."""
    known = json.loads((Path(botocore.__file__).parent / "data" / "partitions.json").read_text())
    for partition in known["partitions"]:
        for region in partition["regions"]:
            if not region.endswith("-global"):
                assert service_host("sts", region) == f"sts.{region}.{partition['outputs']['dnsSuffix']}"


def test_without_the_extra() -> None:
    """Where botocore is not installed, a configuration that needs it is refused with the words that mend it."""
    script = """
import sys
sys.modules["botocore"] = None
from cloche.providers.aws_signing import require_signer
from cloche.providers.base import InvalidSettings
try:
    require_signer("amazon_bedrock_config")
except InvalidSettings as fault:
    print(fault.problems)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == ("[('amazon_bedrock_config', \"needs the extra: pip install '.[bedrock]'\")]\n")


def test_nothing_of_botocore_is_imported_before_it_is_needed() -> None:
    """Importing the module costs nothing for those who serve no model of AWS."""
    script = "import sys, cloche.providers.aws_credentials; print([m for m in sys.modules if 'botocore' in m])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"
