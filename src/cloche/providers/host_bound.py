"""Where what belongs to the machine may be sent: to the service that it is for, and nowhere else.

Where an operator lets served entities use the machine's own credentials, whoever makes an endpoint still chooses its
URLs.  A key, a token, or what is lent for one, sent to a server of theirs would be theirs.  So with such credentials a
URL must be the provider's own, or this machine's; that it is below the provider's domain is not enough, because there
anybody may rent a place.  Must not know the services.
"""

from __future__ import annotations

import re

from cloche.domain.outbound import Origin
from cloche.domain.reach import is_loopback
from cloche.providers.base import InvalidSettings


def check_bound(origin: Origin, service: re.Pattern[str], path: str) -> None:
    """InvalidSettings, under `path`, unless the origin is of the service whose hosts' names are given."""
    if is_loopback(origin.host) or (origin.tls and origin.port == 443 and service.fullmatch(origin.host.lower())):
        return
    raise InvalidSettings(
        [(path, "must be the provider's own https:// URL: credentials of this machine are sent nowhere else")]
    )
