"""What an inference table has of a call, and which table it is: names and shapes alone.

The columns are those of Databricks' inference tables.  Must not know Delta, nor where rows wait.
"""

from __future__ import annotations

import re
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


def is_name(part: str) -> bool:
    """Whether this can be a part of a table's name: nothing that leads elsewhere in a path or an address."""
    return _NAME.fullmatch(part) is not None


class PayloadRow(Struct, array_like=True):
    """One call.  `request_time`: Unix milliseconds; the column `request_date` is its day."""

    databricks_request_id: str
    client_request_id: str | None
    request_time: int
    status_code: int
    execution_duration_ms: int
    request: str | None
    response: str | None
    logging_error_codes: list[str]
    served_entity_id: str | None
    requester: str | None
