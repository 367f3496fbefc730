"""What an inference table has of a call, and which table it is: names and shapes alone.

The columns are those of Databricks' inference tables.  Must not know Delta, nor where rows wait.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

REQUEST_TOO_LARGE = "MAX_REQUEST_SIZE_EXCEEDED"
RESPONSE_TOO_LARGE = "MAX_RESPONSE_SIZE_EXCEEDED"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class TableName(NamedTuple):
    """A table in a schema in a catalog.  Each part is fit to be the name of a folder."""

    catalog: str
    schema: str
    table: str

    def __str__(self) -> str:
        return ".".join(self)

    @property
    def path(self) -> str:
        """Where it is, below wherever all tables are."""
        return "/".join(self)


@functools.lru_cache(1000)
def payload_table(catalog: str, schema: str, prefix: str) -> TableName | None:
    """The table of payloads there; None if a part cannot be one of a name.  Remembered: it is asked for each call."""
    parts = (catalog, schema, prefix)
    return TableName(catalog, schema, f"{prefix}_payload") if all(map(is_name, parts)) else None


def is_name(part: str) -> bool:
    """Whether this can be a part of a table's name: nothing that leads elsewhere in a path or an address."""
    return _NAME.fullmatch(part) is not None


class PayloadRow(Struct, array_like=True, gc=False):
    """One call.  `request_time`: Unix milliseconds; the column `request_date` is its day.

    Many wait, and none is part of a cycle: the garbage collector does not see them.
    """

    databricks_request_id: str
    client_request_id: str | None
    request_time: int
    status_code: int
    execution_duration_ms: int
    request: str | None
    response: str | None
    logging_error_codes: Sequence[str]
    served_entity_id: str | None
    requester: str | None
