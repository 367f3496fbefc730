"""Every setting of cloche: `load` reads them, `Settings` holds them, `reference` documents them.

Nothing outside this package reads the environment.
"""

from cloche.settings.home import prepare_home
from cloche.settings.reading import Client, Loaded, SettingsError, client, environment, load, suggest
from cloche.settings.table import Field, Settings, default, fields, flag, reference, shown, variables

__all__ = [
    "Client",
    "Field",
    "Loaded",
    "Settings",
    "SettingsError",
    "client",
    "default",
    "environment",
    "fields",
    "flag",
    "load",
    "prepare_home",
    "reference",
    "shown",
    "suggest",
    "variables",
]
