"""Rows of the usage tables, for tests of whatever writes or reads them."""

from __future__ import annotations

import msgspec

from cloche.domain.usage import CallUsage
from cloche.store.database import Store
from cloche.store.usage_sums import Grouping, UsageFilter, UsageSum

DAY = 86_400_000
NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z


def call(number: int, **fields: object) -> CallUsage:
    """A call: number 1 took a millisecond, number 2 two, and so on."""
    usual = CallUsage(
        account_id="1",
        workspace_id="1",
        client_request_id=None,
        databricks_request_id=f"id-{number}",
        requester="ann",
        status_code=200,
        request_time=NOON,
        input_token_count=10,
        output_token_count=1,
        input_character_count=40,
        output_character_count=4,
        usage_context=None,
        request_streaming=False,
        served_entity_id="e1",
        estimated=False,
        endpoint_id="one",
        endpoint_name="first",
        served_entity_name="a",
        duration_ms=float(number),
        first_byte_ms=None,
        outcome="ok",
        error_code=None,
        attempts=None,
    )
    return msgspec.structs.replace(usual, **fields)


def add(store: Store, *calls: CallUsage) -> None:
    """Write calls in one transaction."""
    with store.write(publish=False) as work:
        work.usage.add(calls)


def sums(store: Store, *by: Grouping, **wanted: object) -> list[UsageSum]:
    """Calls added up."""
    with store.read() as work:
        return work.usage.sums(by, msgspec.structs.replace(UsageFilter(), **wanted))
