"""Credentials of Google Cloud that nobody has: a service account with a key of its own, and a workload identity."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "cloche@p-1.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"


@cache
def private_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key; another number is another key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(key: Any) -> str:
    """A private key as Google gives it."""
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return str(encoded.decode())


def service_account(number: int = 0, **fields: Any) -> str:
    """The JSON of a service account, with fields that it has besides, or instead."""
    given = {
        "type": "service_account",
        "project_id": "p-1",
        "private_key_id": f"key-{number}",
        "private_key": pem(private_key(number)),
        "client_email": EMAIL,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    return json.dumps(given | fields)


def workload_identity(source: Any, **fields: Any) -> str:
    """The JSON of a workload identity whose token is found as `source` says."""
    given = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    }
    return json.dumps(given | fields)
