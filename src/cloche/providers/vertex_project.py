"""A project of Google Cloud in one region: where its models are called, and by whom.

Must not know the models' dialects.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cloche.domain.errors import Problem
from cloche.domain.outbound import Origin
from cloche.providers.base import render_head
from cloche.providers.bearer import Bearer
from cloche.providers.gemini import google_refusal
from cloche.providers.host_bound import check_bound
from cloche.providers.settings_reading import base_url
from cloche.providers.site import Site

NAME = "vertex-ai"
"""The service, in messages."""

_VERSION = re.compile(r"/v[0-9]+[a-z0-9]*\Z")
_HOSTS = re.compile(r"([a-z0-9-]+-)?aiplatform\.googleapis\.com|aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com")
_MULTI_REGIONS = ("us", "eu")


class Project(NamedTuple):
    """`path`: of everything in the region.  `bearer`: adds the token to each call."""

    origin: Origin
    path: str
    bearer: Bearer

    def site(self, below: str) -> Site:
        """Where calls to something in the region go."""
        return Site(NAME, self.origin, render_head(self.origin, f"{self.path}/{below}", {}), self.bearer)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """What an answer other than 200 means.  The token is in no head yet: nobody can quote it from there."""
        return google_refusal(NAME, status, headers, body, b"")


def region(names: tuple[str, str], base: str | None, path: str) -> tuple[Origin, str]:
    """Origin and path of everything that a project has in a region, by their names.

    `base`: called instead of Google, with the version of the API or without.  InvalidSettings, under `path`, for a base
    that can be none.
    """
    project_id, location = names
    origin, above = base_url(f"https://{_host(location)}" if base is None else base, path)
    version = "" if _VERSION.search(above) else "/v1"
    return origin, f"{above}{version}/projects/{project_id}/locations/{location}"


def check_host_bound(origin: Origin, path: str) -> None:
    """InvalidSettings, under `path`, for a base URL to which no token of the machine's may be sent."""
    check_bound(origin, _HOSTS, path)


def _host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"
