"""People who sign in at an OpenID issuer: whose user they are, and the access token that they get.

A user is found by an e-mail address that the issuer has verified: the one whose name it is, or else the only one who
has it.  Who is not known is made a user only where the operator wants that, without any rights beyond everybody's.
Each sign-in is in the audit log.  Must not know how an issuer is asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cloche.control.auditing import note
from cloche.control.directory import Directory
from cloche.control.oauth import OAuth
from cloche.control.oidc import Client, Person
from cloche.control.people import People
from cloche.control.publish import Publisher
from cloche.domain.access import Caller, Identity, Kind, Principal
from cloche.domain.errors import AlreadyExists, LimitExceeded, NotFound, PermissionDenied
from cloche.wire.oauth import AccessToken
from cloche.wire.oidc import Discovery, SignInByCode

MOST_AT_ONCE = 4
"""Codes that are exchanged at once: anybody may send some, and each keeps a thread until the issuer has answered."""


class OpenIdIssuer(Protocol):
    """As `control.oidc.Issuer` is."""

    client: Client

    def discovery(self, *, wait: bool = True) -> Discovery:
        """Its metadata."""

    def person(self, asked: SignInByCode) -> Person:
        """Whom a code stands for."""


class Issuers(NamedTuple):
    """`issuer`: None: there is none.  `create`: who is not known here and signs in at it is made a user."""

    issuer: OpenIdIssuer | None
    create: bool


class SignIn:
    """The use-case.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, oauth: OAuth, now_ms: Callable[[], int], issuers: Issuers) -> None:
        self._publisher = publisher
        self._oauth = oauth
        self._people = People(publisher, now_ms)
        self._now_ms = now_ms
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._create = issuers.create
        self.issuer = issuers.issuer

    def by_code(self, asked: SignInByCode, base_url: str, address: str, request_id: str) -> tuple[AccessToken, str]:
        """An access token for who comes back from the issuer with a code, and the user's name.

        NotFound where there is no issuer; Unauthenticated for a code or ID token that is not good; PermissionDenied
        for who is no active user; LimitExceeded; NotReady while the issuer does not answer.
        """
        if self.issuer is None:
            raise NotFound("signing in with an OpenID issuer is not set up here: `oidc_issuer` is not set")
        if not self._places.acquire(blocking=False):
            raise LimitExceeded("too many people are signing in at once", retry_after=1)
        try:
            person = self.issuer.person(asked)
        finally:
            self._places.release()
        user = self._user(person, address, request_id)
        given = self._oauth.for_user(user, f"{base_url}/oidc")
        with self._publisher.store.write(publish=False) as work:
            caller = Caller(Principal(user.id, user.name), address, request_id)
            told = {"issuer": self.issuer.client.issuer, "email": person.email}
            note(work, caller, "sign_in.oidc", user.name, self._now_ms(), after=told)
        return given, user.name

    def _user(self, person: Person, address: str, request_id: str) -> Identity:
        found = self._known(person)
        if found is None and self._create:
            found = self._made(person, address, request_id)
        if found is None:
            raise PermissionDenied(f"there is no user with the e-mail address '{person.email}' here")
        if not found.active:
            raise PermissionDenied(f"the user '{found.name}' is deactivated")
        return found

    def _known(self, person: Person) -> Identity | None:
        wanted = person.email.casefold()
        users = Directory.of_kind(self._people.directory(), Kind.USER)
        named = next((each for each in users if each.name.casefold() == wanted), None)
        if named is not None:
            return named
        having = [each for each in users if any(email.casefold() == wanted for email in each.emails)]
        if len(having) > 1:
            raise PermissionDenied(f"several users have the e-mail address '{person.email}' here")
        return having[0] if having else None

    def _made(self, person: Person, address: str, request_id: str) -> Identity | None:
        """A new user; one that another process has made at the same time is as known."""

        def edit(fresh: Identity, _: Directory) -> Identity:
            return Identity(
                fresh.id, Kind.USER, person.email, person.name, emails=(person.email,), created_at=fresh.created_at
            )

        try:
            return self._people.add(Caller(Principal("", person.email), address, request_id), Kind.USER, edit)
        except AlreadyExists:
            self._publisher.catch_up()
            return self._known(person)
