"""Inference tables: Delta tables in a folder or an object store, by deltalake.

deltalake is an extra (docs/decisions/0019) and takes 0.1 s and 23 MB to be imported, 60 MB with the first commit, so
it is imported when a table is first touched, and by the host alone.  Must not know where rows come from.

Measured: a commit takes about 25 ms, and 0.1 ms for each row of ten kilobytes.  Over 300 commits deltalake kept 80 MB
and 94 threads as it comes; with the two settings below 35 MB and 21 threads, for half the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cloche.domain.payload import PayloadRow, TableName
from cloche.settings import suggest

if TYPE_CHECKING:
    from arro3.core import Table
    from deltalake import DeltaTable

KEPT_HOURS = 168
"""How long a file that is in the table no more is kept for those that still read it: Delta's own default."""

_LOG = {"delta.checkpointInterval": "10"}
"""Whoever opens a table reads its newest checkpoint and each commit since, all at once, with a thread and a buffer for
each: at deltalake's own interval of 100 that is what its memory grows by."""

_ALLOCATOR = ("_RJEM_MALLOC_CONF", "narenas:1,dirty_decay_ms:100,muzzy_decay_ms:0")
"""What jemalloc, which deltalake brings on Linux, reads when it is loaded: one arena, which gives back what is free.
Given back at once instead of after a while, 20 MB less would stay, and a commit would take twice as long."""

_DAY_MS = 86_400_000
_COLUMNS = (
    ("databricks_request_id", "string"),
    ("request_date", "date"),
    ("client_request_id", "string"),
    ("request_time", "timestamp"),
    ("status_code", "integer"),
    ("sampling_fraction", "double"),
    ("execution_duration_ms", "long"),
    ("request", "string"),
    ("response", "string"),
    ("logging_error_codes", "array"),
    ("served_entity_id", "string"),
    ("requester", "string"),
)
_KEPT = PayloadRow.__struct_fields__


class TableFigures(NamedTuple):
    """What a table has."""

    rows: int
    files: int
    bytes: int
    version: int


class PayloadTables:
    """The tables below a folder or an address of an object store."""

    def __init__(self, base: Path | str) -> None:
        self._base = str(base).rstrip("/")
        self._is_local = isinstance(base, Path)

    @classmethod
    def at(cls, url: str | None, home: Path) -> PayloadTables:
        """Those of a home: at the address where one is set."""
        return cls(url or home / "tables")

    def location(self, table: TableName) -> str:
        """Where a table is, for whoever reads it."""
        return f"{self._base}/{table.path}"

    def number(self, table: TableName, writer: str) -> int:
        """The number of this writer's latest commit; 0 if there is none."""
        opened = self._existing(table)
        return 0 if opened is None else opened.transaction_version(writer) or 0

    def append(self, table: TableName, rows: Sequence[PayloadRow], writer: str, number: int) -> None:
        """Add rows in one commit that bears the number.  On a disk it stays through a power cut."""
        opened = self._existing(table) or self._made(table)
        from deltalake import CommitProperties, Transaction, WriterProperties, write_deltalake

        write_deltalake(
            opened,
            _columns(rows),
            mode="append",
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(app_transactions=[Transaction(writer, number)]),
        )
        if self._is_local:
            opened.update_incremental()
            _sync(Path(self.location(table)), opened.version() or 0)

    def figures(self, table: TableName) -> TableFigures | None:
        """What a table has; None if there is none."""
        opened = self._existing(table)
        if opened is None:
            return None
        files = opened.get_add_actions(flatten=True)
        sizes, counts = (files.column(name).to_pylist() for name in ("size_bytes", "num_records"))
        return TableFigures(sum(count or 0 for count in counts), len(sizes), sum(sizes), opened.version())

    def find(self, table: TableName, request_id: str, day: str) -> PayloadRow | None:
        """The row of a call of that day (`2026-01-31`, UTC); None if there is none."""
        opened = self._existing(table)
        if opened is None:
            return None
        from deltalake import QueryBuilder

        quoted = request_id.replace("'", "''")
        wanted = f"request_date = DATE '{day}' AND databricks_request_id = '{quoted}'"
        query = f"SELECT {', '.join(_KEPT)} FROM t WHERE {wanted} LIMIT 1"  # noqa: S608 (quoted)
        rows = QueryBuilder().register("t", opened).execute(query).read_all().to_struct_array().to_pylist()
        if not rows:
            return None
        told = rows[0]
        return PayloadRow(**told | {"request_time": int(told["request_time"].timestamp() * 1000)})

    def compact(self, table: TableName) -> int:
        """Make few files of many; how many are left out from now on."""
        opened = self._existing(table)
        if opened is None:
            return 0
        removed: int = opened.optimize.compact()["numFilesRemoved"]
        return removed

    def vacuum(self, table: TableName) -> int:
        """Remove the files that are in the table no more, and not since KEPT_HOURS; how many."""
        opened = self._existing(table)
        return 0 if opened is None else len(opened.vacuum(KEPT_HOURS, dry_run=False, full=True))

    def forget(self, table: TableName, before_day: str) -> int:
        """Leave out the rows before a day; how many.  Their files go with a vacuum."""
        opened = self._existing(table)
        if opened is None:
            return 0
        removed: int = opened.delete(f"request_date < DATE '{before_day}'")["num_deleted_rows"]
        return removed

    def _existing(self, table: TableName) -> DeltaTable | None:
        """The table, opened.  Everything that needs deltalake comes here first."""
        suggest(*_ALLOCATOR)
        from deltalake import DeltaTable

        location = self.location(table)
        return DeltaTable(location) if DeltaTable.is_deltatable(location) else None

    def _made(self, table: TableName) -> DeltaTable:
        from deltalake import DeltaTable, Field, Schema
        from deltalake.schema import ArrayType, PrimitiveType

        def kind(name: str) -> Any:
            return ArrayType(PrimitiveType("string"), contains_null=True) if name == "array" else PrimitiveType(name)

        return DeltaTable.create(
            self.location(table),
            Schema([Field(name, kind(told)) for name, told in _COLUMNS]),
            mode="ignore",
            partition_by=["request_date"],
            name=table.table,
            configuration=_LOG,
            description="Requests and answers of a model serving endpoint",
        )


def _columns(rows: Sequence[PayloadRow]) -> Table:
    """Rows as columns."""
    from arro3.core import Array, DataType, Field, Table, list_array

    text, whole = DataType.string(), DataType.int64()

    def column(name: str, kind: DataType) -> Array:
        return Array([getattr(row, name) for row in rows], kind)

    faults = [row.logging_error_codes for row in rows]
    ends = [0]
    for each in faults:
        ends.append(ends[-1] + len(each))
    days = Array([row.request_time // _DAY_MS for row in rows], DataType.int32())
    moments = Array([row.request_time * 1000 for row in rows], whole)
    codes = Array([code for each in faults for code in each], text)
    named: dict[str, Any] = {
        "databricks_request_id": column("databricks_request_id", text),
        "request_date": days.cast(DataType.date32()),
        "client_request_id": column("client_request_id", text),
        "request_time": moments.cast(DataType.timestamp("us", tz="UTC")),
        "status_code": column("status_code", DataType.int32()),
        "sampling_fraction": Array([1.0] * len(rows), DataType.float64()),
        "execution_duration_ms": column("execution_duration_ms", whole),
        "request": column("request", text),
        "response": column("response", text),
        "logging_error_codes": list_array(
            Array(ends, DataType.int32()), codes, type=DataType.list(Field("element", text, nullable=True))
        ),
        "served_entity_id": column("served_entity_id", text),
        "requester": column("requester", text),
    }
    return Table.from_pydict(named)


def _sync(folder: Path, version: int) -> None:
    """See that the commit of a version is on the disk, and the files that it adds."""
    log = folder / "_delta_log" / f"{version:020d}.json"
    actions = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    added = [folder / action["add"]["path"] for action in actions if "add" in action]
    for path in dict.fromkeys([*added, *(each.parent for each in added), folder, log, log.parent]):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
