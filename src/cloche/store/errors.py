"""What the store says when it cannot do what it is asked."""

from __future__ import annotations

from cloche.domain.errors import NotReady, OurFault


class StoreUnusable(OurFault):
    """The database cannot be used as it is; the message says why and what to do.  For the operator at the terminal."""


class StoreUnreachable(NotReady):
    """The database does not answer now.  `summary` says more than callers may know: where it is, and what it said."""
