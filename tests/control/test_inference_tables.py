"""Inference tables when an endpoint is made or changed: what cannot be written is refused, not promised."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from cloche.control.endpoint_changes import _check_tables
from cloche.domain.ai_gateway import AiGateway, InferenceTable
from cloche.domain.endpoint import Properties
from cloche.domain.errors import InvalidFields
from cloche.domain.payload import TableName
from cloche.wire.gateway_config import read_ai_gateway

TABLE: dict[str, Any] = {"enabled": True, "catalog_name": "main", "schema_name": "logs"}


def test_without_deltalake_no_table_can_be_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer names the extra; a table that is disabled may stay."""
    properties = Properties(ai_gateway={"inference_table_config": TABLE})
    _check_tables(properties)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InvalidFields, match="extra 'tables'"):
        _check_tables(properties)
    _check_tables(Properties(ai_gateway={"inference_table_config": TABLE | {"enabled": False}}))


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a.b", "x" * 101, "a b"])
def test_no_name_leads_elsewhere(name: str) -> None:
    """A name that is no folder's is refused in the API, and one that was kept by an earlier version has no table."""
    for field in ("catalog_name", "schema_name", "table_name_prefix"):
        with pytest.raises(InvalidFields):
            read_ai_gateway({"inference_table_config": TABLE | {field: name}}, None)
        kept = AiGateway(inference_table_config=InferenceTable(**TABLE | {field: name}))
        assert kept.payload_table("chat") is None


def test_a_table_without_a_prefix_has_the_endpoints_name() -> None:
    """The name is the catalog, the schema and the prefix or the endpoint, as on Databricks."""
    rules = AiGateway(inference_table_config=InferenceTable(**TABLE))
    assert rules.payload_table("chat") == TableName("main", "logs", "chat_payload")
    assert AiGateway().payload_table("chat") is None
