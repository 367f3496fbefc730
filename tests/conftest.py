"""Fixtures that several test folders share: real databases of both kinds, and the default model's weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloche.engine.catalogue import SMOLLM2, Catalogue, Model
from cloche.engine.pull import pull
from cloche.store.database import Store, open_store
from databases import MASTER_KEYS, Postgres


@pytest.fixture(scope="session")
def models() -> Catalogue:
    """The catalogue that keeps the weights between test runs: CLOCHE_TEST_MODELS, or .cache/models here."""
    default = Path(__file__).parent.parent / ".cache" / "models"
    return Catalogue(Path(os.environ.get("CLOCHE_TEST_MODELS", default)))


@pytest.fixture(scope="session")
def model(models: Catalogue) -> Model:
    """The default model, really pulled unless an earlier run has done so."""
    return pull(SMOLLM2.name, models, lambda *_: None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server that runs while the tests do.  Where it cannot be started, the tests fail and say why."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database, migrated, without a token key yet."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture
def empty_postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of a PostgreSQL database with nothing in it."""
    url = postgres.fresh(migrated=False)
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """Where a fresh database is, on each kind in turn: None is SQLite in the home."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    """An open store of the home `tmp_path`, on each kind of database in turn."""
    opened = open_store(tmp_path, MASTER_KEYS, database_url)
    yield opened
    opened.close()
