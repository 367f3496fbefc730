"""The master key: where the settings say that it comes from, and the change from one key to the next.

Owns the order of a rotation: a new key is put in front, everything sealed is wrapped with it, and only then may the old
one go.  A key in a file is read again while the server runs; one from a variable or a command is read at start.  No
message ever shows anything of a key or of what a command printed.
"""

from __future__ import annotations

import base64
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from cloche.control.auditing import note
from cloche.control.publish import Publisher
from cloche.control.secret_references import place
from cloche.control.signing_keys import place as signing_key_place
from cloche.domain.access import Caller
from cloche.settings import Settings
from cloche.store.database import TOKEN_KEY, Store
from cloche.store.key import FILE, UnusableKey, existing_keys, key_file, read_keys
from cloche.store.sealing import Sealer
from cloche.store.work import Work

COMMAND_SECONDS = 30


def key_path(settings: Settings) -> Path | None:
    """The file that holds the master key; None where it comes from elsewhere."""
    if settings.master_key is not None or settings.master_key_command is not None:
        return None
    return settings.master_key_file or settings.home / FILE


def master_keys(settings: Settings, *, seconds: float = COMMAND_SECONDS) -> tuple[bytes, ...]:
    """The master keys, the newest first.  A file is made where there is none; a command may take so many seconds.

    Raises UnusableKey.
    """
    if settings.master_key is not None:
        return read_keys(settings.master_key, "CLOCHE_MASTER_KEY")
    if settings.master_key_command is not None:
        return read_keys(_printed_by(settings.master_key_command, seconds), "what master_key_command prints")
    return key_file(settings.master_key_file or settings.home / FILE)


def follow_file(store: Store, settings: Settings) -> None:
    """Let a store's sealer read the key's file again when it may have changed."""
    path = key_path(settings)
    if path is not None:
        store.sealer.follow(lambda: existing_keys(path), store.master_key_in_use)


class MasterKey:
    """The use-case.  `now_ms` is the clock."""

    def __init__(self, publisher: Publisher, now_ms: Callable[[], int]) -> None:
        self._publisher = publisher
        self._now_ms = now_ms

    def rewrap(self, caller: Caller) -> tuple[int, str]:
        """Wrap everything sealed with the newest key: how much there was to do, and the id of that key.

        Raises UnusableKey, CannotOpen where a key is missing; then nothing has changed.
        """
        sealer = self._publisher.store.sealer
        with self._publisher.change() as work:
            sealer.refresh()
            count = _secrets(work, sealer) + _signing_keys(work, sealer) + _token_key(work, sealer)
            key_id = sealer.current_id.hex()
            note(work, caller, "master-key.rewrap", key_id, self._now_ms(), after={"rewrapped": count})
        return count, key_id


def _secrets(work: Work, sealer: Sealer) -> int:
    count = 0
    for scope, key, sealed in work.secrets.every():
        if not sealer.is_current(sealed):
            work.secrets.reseal(scope, key, sealer.rewrap(sealed, place(scope, key)))
            count += 1
    return count


def _signing_keys(work: Work, sealer: Sealer) -> int:
    stale = [key for key in work.signing_keys.all() if not sealer.is_current(key.sealed)]
    for key in stale:
        work.signing_keys.reseal(key.id, sealer.rewrap(key.sealed, signing_key_place(key.id)))
    return len(stale)


def _token_key(work: Work, sealer: Sealer) -> int:
    kept = work.meta.get(TOKEN_KEY)
    sealed = base64.b64decode(kept or "")
    if kept is None or sealer.is_current(sealed):
        return 0
    work.meta.put(TOKEN_KEY, base64.b64encode(sealer.rewrap(sealed, TOKEN_KEY)).decode())
    return 1


def _printed_by(command: str, seconds: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (the operator's own command)
            shlex.split(command),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise UnusableKey(f"master_key_command has not ended after {seconds:g} s") from None
    except OSError as error:
        raise UnusableKey(f"master_key_command cannot be run: {error.strerror}") from None
    except ValueError:  # a quotation without an end
        raise UnusableKey("master_key_command is not a command line: a quotation mark is missing") from None
    if done.returncode:
        raise UnusableKey(f"master_key_command failed with exit code {done.returncode}")
    return done.stdout.decode("ascii", "replace")
