"""Runs the migrations.  Apart from `database.py`, because Alembic costs a fifth of a second and ten megabytes to
import, and a database that is new or up to date, which is nearly every one, needs none of it."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine


def history() -> list[str]:
    """Every known revision, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()]


def upgrade(engine: Engine) -> None:
    """Bring a database to the newest revision, in one transaction.  The caller holds the file lock."""
    config = _config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "cloche.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
