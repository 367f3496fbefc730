"""Users who begin with no level on anything, and what is given to them."""

from __future__ import annotations

from typing import NamedTuple

from .live import Live


class Stranger(NamedTuple):
    """A service principal of a server, with a token of its own."""

    server: Live
    name: str
    token: str

    @classmethod
    def of(cls, server: Live) -> Stranger:
        """A new one."""
        made = server.request("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "stranger"}).json()
        name = made["applicationId"]
        path = "/api/2.0/token-management/on-behalf-of/tokens"
        lent = server.request("POST", path, {"application_id": name}).json()
        return cls(server, name, lent["token_value"])

    def give(self, endpoint: str, level: str) -> None:
        """A level on an endpoint.  Other workers may learn of it a moment later."""
        found = self.server.request("GET", f"/api/2.0/serving-endpoints/{endpoint}").json()["id"]
        acl = [{"service_principal_name": self.name, "permission_level": level}]
        path = f"/api/2.0/permissions/serving-endpoints/{found}"
        assert self.server.request("PATCH", path, {"access_control_list": acl}).status == 200
