"""Looking after the database from the command line: is everything there, and does what is sealed open?

Reads only.  Must not make or change anything, a database or a master key no more than a row.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from cloche.control import secret_references, signing_keys
from cloche.control.master_key import key_path, master_keys
from cloche.settings import Settings
from cloche.store.database import FILE, NEWEST, TOKEN_KEY, StoreUnusable, looking, revision
from cloche.store.key import existing_keys
from cloche.store.sealing import CannotOpen, Sealer
from cloche.store.upkeep import flaws
from cloche.store.work import Work, references


def findings(settings: Settings) -> list[str]:
    """What is wrong with the database that the settings mean, a line each.  Raises StoreUnusable, UnusableKey."""
    home, url = settings.home, settings.database_url
    at = revision(home, url)
    if at is None:
        raise StoreUnusable("there is no database yet: `cloche serve` makes it")
    found = [] if url is not None else [f"the file is damaged: {flaw}" for flaw in flaws(home / FILE)]
    if at != NEWEST:
        told = "a newer cloche has used it" if at > NEWEST else "the next `cloche serve` brings it to that"
        return [*found, f"it is at revision {at}, not {NEWEST}: {told}; nothing else was looked at"]
    sealer = Sealer(_keys(settings))
    with looking(home, url) as work:
        return [*found, *_sealed(work, sealer), *_references(work)]


def _keys(settings: Settings) -> tuple[bytes, ...]:
    """The master keys as they are: a file that is not there is not made."""
    path = key_path(settings)
    return master_keys(settings) if path is None else existing_keys(path)


def _sealed(work: Work, sealer: Sealer) -> Iterator[str]:
    kept = work.meta.get(TOKEN_KEY)
    sealed = [] if kept is None else [(base64.b64decode(kept), TOKEN_KEY)]
    sealed += [(value, secret_references.place(scope, key)) for scope, key, value in work.secrets.every()]
    sealed += [(key.sealed, signing_keys.place(key.id)) for key in work.signing_keys.all()]
    for value, place in sealed:
        try:
            sealer.open(value, place)
        except CannotOpen as error:
            yield error.message if place in error.message else f"{place}: {error.message}"


def _references(work: Work) -> Iterator[str]:
    there = {(scope, key) for scope, key, _ in work.secrets.every()}
    for endpoint in work.endpoints.all():
        for scope, key in dict.fromkeys(references([endpoint])):
            if (scope, key) not in there:
                yield f"endpoint '{endpoint.name}' refers to {{{{secrets/{scope}/{key}}}}}, which is not there"
