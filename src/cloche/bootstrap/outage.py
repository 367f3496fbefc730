"""The state in force, kept in a file of the home, and a start from it while the database does not answer.

Must not know what a state holds, nor how it is read from a database.
"""

from __future__ import annotations

import logging

from cloche.bootstrap.host import now_ms
from cloche.bootstrap.plan import CannotStart
from cloche.control.master_key import key_path, master_keys
from cloche.control.publish import Publisher
from cloche.domain.errors import OurFault
from cloche.domain.state import State
from cloche.settings import Settings
from cloche.store import snapshot_file
from cloche.store.database import Store, is_sealed, open_store
from cloche.store.errors import StoreUnreachable, StoreUnusable
from cloche.store.key import UnusableKey
from cloche.store.sealing import Sealer
from cloche.store.snapshot_file import FILE, Kept, NotUsable

log = logging.getLogger("cloche")


def opened(settings: Settings) -> Store:
    """The store, also of a database that does not answer now, if there is a kept state to serve from.

    Raises StoreUnusable, CannotOpen, UnusableKey; CannotStart if neither database nor kept state can be used.
    """
    keys = _keys(settings)
    try:
        return open_store(settings.home, keys, settings.database_url)
    except StoreUnreachable as problem:
        try:
            kept = _kept(settings, Sealer(keys))
        except NotUsable as error:
            raise CannotStart(f"{problem.summary}; and there is no state to go on with: {error}") from None
        log.warning("%s; starting from the state that was kept", problem.summary)
        return Store.unreached(settings.home, keys, kept.token_key, settings.database_url)


def _keys(settings: Settings) -> tuple[bytes, ...]:
    """The master keys.  A file is made for a database that is new, never beside one that another key has sealed."""
    path = key_path(settings)
    if path is None or path.exists():
        return master_keys(settings)
    try:
        sealed = is_sealed(settings.home, settings.database_url)
    except StoreUnusable as error:
        raise CannotStart(f"{error.message}; and there is no master key in {path} to go on with") from None
    if sealed:
        raise UnusableKey(
            f"{path} is not there, and the database is sealed with the master key that was in it: put the file back"
        )
    return master_keys(settings)


def come_up(publisher: Publisher, settings: Settings) -> None:
    """Put the newest state in force, or the kept one while the database does not answer.

    Raises StoreUnreachable if there is neither.
    """
    try:
        publisher.refresh()
    except StoreUnreachable:
        try:
            publisher.adopt(_kept(settings, publisher.store.sealer).state)
        except NotUsable as error:
            log.error("there is no state to go on with: %s", error)
            raise


class Keeper:
    """Keeps states in the home's file.  One for each home: the host's."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._path = settings.home / FILE
        self._store = store
        self._failed = False

    def keep(self, state: State) -> None:
        """Keep a state that is the newest now.  What cannot be written leaves the one before; the log says so once."""
        try:
            snapshot_file.write(self._path, Kept(state, self._store.sealed_token_key, now_ms()), self._store.sealer)
            self._failed = False
        except (OSError, OurFault) as error:  # the disk, or the file of the master key
            if not self._failed:
                log.warning("%s cannot be written (%s): an outage of the database will last longer", self._path, error)
            self._failed = True


def _kept(settings: Settings, sealer: Sealer) -> Kept:
    return snapshot_file.read(settings.home / FILE, sealer, now_ms(), settings.snapshot_max_age_seconds)
