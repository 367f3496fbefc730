"""Tokens of Microsoft Entra ID, lent to an application that has a client secret, for Azure's models.

The scope follows the cloud: those of governments and of China have token servers, and resources, of their own.
"""

from __future__ import annotations

from types import MappingProxyType
from urllib.parse import quote

import msgspec

from cloche.domain.lending import Steps
from cloche.providers.bearer import TokenServer, token_server
from cloche.providers.settings_reading import base_url

DEFAULT_AUTHORITY = "https://login.microsoftonline.com"

_SCOPE = "https://cognitiveservices.azure.com/.default"
_SCOPES = MappingProxyType(
    {
        "login.microsoftonline.us": "https://cognitiveservices.azure.us/.default",
        "login.partner.microsoftonline.cn": "https://cognitiveservices.azure.cn/.default",
        "login.chinacloudapi.cn": "https://cognitiveservices.azure.cn/.default",
    }
)
"""What to ask for, by the host of the authority, where it is not the public cloud's."""


class ClientCredentials(msgspec.Struct, frozen=True):
    """An application of a tenant, with its secret."""

    server: TokenServer
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"ClientCredentials(client_id={self.client_id!r})"

    def obtain(self, now: float) -> Steps:
        """One call.  ProviderCredentials where the application, its secret or the tenant is not known there."""
        found = yield self.server.ask(
            {
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.client_secret,
                "scope": _SCOPES.get(self.server.origin.host, _SCOPE),
            }
        )
        return self.server.lent(found, now)


def entra_server(authority: str, tenant: str, path: str) -> TokenServer:
    """The token server of a tenant.  InvalidSettings, under `path`, for an authority that can be none."""
    base_url(authority, path)
    return token_server(
        "Microsoft Entra ID", f"{authority.rstrip('/')}/{quote(tenant, safe='')}/oauth2/v2.0/token", path
    )
