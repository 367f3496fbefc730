"""The home directory, which holds all state: made private, and refused when it is not.

Tokens' key and database lie there, so whoever can write to it can let themselves in.
"""

from __future__ import annotations

import os
import stat

from cloche.settings.reading import SettingsError
from cloche.settings.table import Settings


def prepare_home(settings: Settings) -> None:
    """Make the home with mode 0700.  Raises SettingsError if it cannot be made or others may write to it."""
    home = settings.home
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = home.stat()
    except OSError as error:
        raise SettingsError([f"home: cannot make {home}: {error.strerror}"]) from error
    if found.st_uid != os.geteuid():
        raise SettingsError([f"home: {home} belongs to another user"])
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError([f"home: others may write to {home}; run: chmod 700 {home}"])
