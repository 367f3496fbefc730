"""The usage API's JSON and CSV: what may be asked for, and sums as they are told.

Must not know who may see what.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import msgspec

from cloche.domain.errors import InvalidParameter
from cloche.wire import queries

DEFAULT_LIMIT = 1000
MAX_LIMIT = 10_000
MAX_GROUPS = 5

QUERY = (
    (
        "group_by",
        "What calls are added up by, several separated by commas: `endpoint`, `entity`, `user`, `group` (a call "
        "counts for each group that its requester is in), `day`, `hour`, `minute`, `tag:KEY` (of the endpoint), "
        "`usage_context:KEY` (of the request); `endpoint` if not given.",
    ),
    ("from", f"Calls of this time or later: {queries.TIME}."),
    ("to", "Calls before this time."),
    ("endpoint", "Calls to this endpoint alone."),
    ("format", "`csv` for CSV, as `Accept: text/csv`; else JSON."),
    ("limit", f"Rows in one answer, {DEFAULT_LIMIT} if not given, {MAX_LIMIT} at most."),
    ("page_token", "`next_page_token` of the answer before; in CSV it is the header of that name."),
)


class Asked(msgspec.Struct, frozen=True):
    """What is asked for.  Times are Unix milliseconds; None: without bound."""

    group_by: tuple[str, ...]
    since: int | None
    until: int | None
    endpoint: str | None
    csv: bool
    limit: int
    offset: int


class Sum(msgspec.Struct, frozen=True):
    """Calls of one group.  `group`: the values that it was grouped by, by name; null where a call has none.

    `errors`: calls that failed, before or within the answer; `cancelled`: those that the client gave up.
    `estimated_calls`: those whose tokens are estimated.  `cost_usd`: of the calls whose price is known; null: of none;
    `unpriced_calls`: all others.  Latencies are whole calls', in milliseconds.
    """

    group: dict[str, str | None]
    calls: int
    errors: int
    cancelled: int
    input_tokens: int
    output_tokens: int
    estimated_calls: int
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    cost_usd: float | None
    unpriced_calls: int


class Sums(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer, in the order of the groups.  `next_page_token`: there is more."""

    usage: list[Sum]
    next_page_token: str | None = None


def read_query(query: Mapping[str, str], accept: str) -> Asked:
    """What a query asks for.  Raises InvalidParameter."""
    form = query.get("format", "csv" if accept.partition(";")[0].strip() == "text/csv" else "json")
    if form not in ("csv", "json"):
        raise InvalidParameter("format: must be csv or json")
    groups = tuple(each.strip() for each in query.get("group_by", "endpoint").split(","))
    if len(groups) > MAX_GROUPS or len(set(groups)) < len(groups):
        raise InvalidParameter(f"group_by: must be at most {MAX_GROUPS} names, each once")
    return Asked(
        group_by=groups,
        since=queries.moment(query, "from"),
        until=queries.moment(query, "to"),
        endpoint=query.get("endpoint"),
        csv=form == "csv",
        limit=queries.bounded(query, "limit", DEFAULT_LIMIT, MAX_LIMIT),
        offset=queries.number(query, "page_token") or 0,
    )


def write_csv(groups: Sequence[str], sums: Sequence[Sum]) -> bytes:
    """The sums as CSV with a line of names; a value that a spreadsheet would take for a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    fields = [name for name in Sum.__struct_fields__ if name != "group"]
    writer.writerow([*groups, *fields])
    for each in sums:
        writer.writerow(
            [*(_cell(each.group[name]) for name in groups), *(_told(name, getattr(each, name)) for name in fields)]
        )
    return out.getvalue().encode()


def _cell(text: str | None) -> str:
    told = text or ""
    return f"'{told}" if told.startswith(("=", "+", "-", "@", "\t", "\r")) else told


def _told(name: str, value: float | None) -> str:
    """Costs without an exponent."""
    if name == "cost_usd":
        return "" if value is None else f"{value:.9f}"
    return str(value)
