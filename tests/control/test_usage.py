"""Served entities as they come and go, the plain SQL of the documentation, and forgetting by command."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from cloche.control.usage import Usages, note_entities, prune
from cloche.domain.endpoint import Configuration, Endpoint, ExternalModel, Properties, Route, ServedEntity, Version
from cloche.domain.usage import served_entity_id
from cloche.settings import load
from cloche.snapshot import Slot, Snapshot
from cloche.store.database import Store, StoreUnusable, open_store
from databases import MASTER_KEYS
from usage_rows import DAY, NOON, add, call

PAGE = Path(__file__).parent.parent.parent / "docs" / "usage.md"


def endpoint(number: int = 1, model: str = "gpt-x") -> Endpoint:
    """An endpoint whose active version has that number."""
    external = ExternalModel(model, "openai", "llm/v1/chat", {"openai_api_key": "{{secrets/a/b}}"})
    configuration = Configuration((ServedEntity("a", external),), (Route("a", 100),))
    version = Version(number, configuration, NOON, "ann")
    return Endpoint("one", "first", "ann", NOON, NOON + number, Properties(), active=version)


def entities(store: Store) -> list[tuple[object, ...]]:
    """What is told of served entities, in the order of time."""
    columns = "served_entity_id, entity_name, endpoint_config_version, endpoint_delete_time IS NOT NULL"
    with store.engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM served_entities ORDER BY change_time"))
        return [tuple(row) for row in found]


def test_entities_are_told_as_they_change(store: Store) -> None:
    """Each version has rows of its own with an id of its own, an endpoint that goes has its end told, and nothing of a
    provider's settings is there."""
    with store.write(publish=False) as work:
        note_entities(work, endpoint(), store.key)
        note_entities(work, endpoint(), store.key)
        note_entities(work, endpoint(2, "gpt-y"), store.key)
        note_entities(work, endpoint(2, "gpt-y"), store.key, deleted_at=NOON + DAY)
    first, second = (served_entity_id("one", number, "a") for number in (1, 2))
    assert [(row[0], row[1], row[2], bool(row[3])) for row in entities(store)] == [
        (first, "gpt-x", 1, False),
        (second, "gpt-y", 2, False),
        (second, "gpt-y", 2, True),
    ]
    assert first != second
    with store.engine.connect() as connection:
        told = connection.execute(text("SELECT external_model_config FROM served_entities")).scalars().all()
    assert not any("secrets" in str(each) for each in told)


def test_entities_from_before_are_told(store: Store) -> None:
    """What served before there was the table is told once, with the time since when it serves."""
    made = endpoint()
    with store.write() as work:
        work.endpoints.add_version(made.id, made.newest)
        work.endpoints.put(made)
    usages = Usages(store, Slot(Snapshot(0, {}, {})).current)
    usages.note_missing_entities()
    usages.note_missing_entities()
    assert [row[1] for row in entities(store)] == ["gpt-x"]


def test_the_sql_of_the_page_runs(store: Store) -> None:
    """Every query that docs/usage.md shows gives rows on both databases."""
    queries = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert queries
    with store.write(publish=False) as work:
        note_entities(work, endpoint(), store.key)
    add(store, call(1, served_entity_id=served_entity_id("one", 1, "a")), call(2, status_code=429, request_time=NOON))
    with store.engine.connect() as connection:
        for query in queries:
            assert connection.execute(text(query)).fetchall(), query


def test_the_command_forgets_old_rows(tmp_path: Path) -> None:
    """Without any key, while a server may run, what is old goes; where there is no database it says so."""
    told = load({"home": str(tmp_path)}, {}).settings
    with pytest.raises(StoreUnusable, match="no database"):
        prune(told, NOON)
    store = open_store(tmp_path, MASTER_KEYS)
    add(store, call(1), call(2, request_time=NOON + DAY))
    assert prune(told, NOON + DAY) == 1
    store.close()
    with closing(sqlite3.connect(tmp_path / "cloche.db")) as connection:
        assert connection.execute("SELECT databricks_request_id FROM endpoint_usage").fetchall() == [("id-2",)]
