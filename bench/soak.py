"""Whether cloche loses a call or grows over hours: two workers with rate limits and both tables, under a load that is
far from the most they can take, and at the end what was sent against what the tables have.

Every call that got an answer must have one row in the usage table and one in the payload table.  Memory and open
descriptors are looked at after each part.  Speed is not measured here: the rounds do that.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import gateways, meters, running
from bench.calls import Call
from bench.gateways import Gateway
from bench.processes import Cores
from bench.running import Running
from bench.workloads import Bench, Spell, Workload, measure

SUBJECT = "cloche-governed"
WORKERS = 2
STREAMED_SHARE = 0.2
PLAIN = Workload(Call(), connections=32, open_loop=True)
STREAM = Workload(Call(stream=True, events=16, gap_us=5000), connections=64, open_loop=True)
TURN_S = 10.0
"""Plain calls, then streams, again and again: so long for both."""

STOP_LIMIT_S = 120
"""An orderly end writes all rows that wait."""


@dataclass(frozen=True)
class Plan:
    """`rate`: calls a second.  `parts`: looks at the memory, at equal times."""

    minutes: float
    rate: float
    parts: int
    cores: Cores


class Part(msgspec.Struct, frozen=True):
    """What one part brought, and how the process tree was at its end.  `bad`: calls without a whole, good answer."""

    minutes: float
    sent: int
    answered: int
    bad: int
    complaints: list[str]
    cpu_s: float
    rss_mib: float
    pss_mib: float
    descriptors: int


class Soak(msgspec.Struct, frozen=True):
    """A whole run.  Rows are counted after an orderly end; `usage_ids`: rows with different request ids."""

    made_at: str
    minutes: float
    rate: float
    sent: int
    answered: int
    usage_rows: int
    usage_ids: int
    payload_rows: int
    parts: list[Part]

    @property
    def complete(self) -> bool:
        """Whether every call was answered and has its row in each table, once."""
        return self.sent == self.answered == self.usage_rows == self.usage_ids == self.payload_rows


def run(plan: Plan) -> Soak:
    """Runs the plan.  Raises NotRun where cloche does not come up."""
    row = gateways.read()[SUBJECT]
    row = msgspec.structs.replace(row, command=(*row.command, "--workers", str(WORKERS)))
    made_at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="bench-soak-") as name, running.provider(plan.cores) as port:
        bench = Bench(Path(name), plan.cores, plan.rate)
        with running.gateway(row, port, Path(name), plan.cores) as up:
            parts = []
            for part in _parts(plan, bench, up):
                parts.append(part)
                print(_line(part), file=sys.stderr, flush=True)
            up.process.send_signal(signal.SIGTERM)
            up.process.wait(STOP_LIMIT_S)
        usage_rows, usage_ids = _usage(Path(name) / row.name)
        payload_rows = _payloads(row, Path(name) / row.name)
    # The first call, which showed that it was up, has its rows too.
    sent, answered = (1 + sum(counts) for counts in zip(*((part.sent, part.answered) for part in parts), strict=True))
    return Soak(made_at, plan.minutes, plan.rate, sent, answered, usage_rows, usage_ids, payload_rows, parts)


def _parts(plan: Plan, bench: Bench, up: Running) -> Iterator[Part]:
    began = time.monotonic()
    for number in range(1, plan.parts + 1):
        until = began + plan.minutes * 60 * number / plan.parts
        answered = bad = 0
        complaints: list[str] = []
        cpu_s = 0.0
        while (left := until - time.monotonic()) > 0:
            turn = min(TURN_S, left)
            for workload, share in ((PLAIN, 1 - STREAMED_SHARE), (STREAM, STREAMED_SHARE)):
                sample = measure(bench, up.target, up.process.pid, workload, Spell(max(0.1, turn * share)))
                answered, bad, cpu_s = answered + sample.done, bad + sample.bad, cpu_s + sample.cpu_s
                complaints += [sample.complaint()] if sample.bad else []
        memory = meters.memory_of(up.process.pid)
        yield Part(
            minutes=(time.monotonic() - began) / 60,
            sent=answered + bad,
            answered=answered,
            bad=bad,
            complaints=complaints,
            cpu_s=cpu_s,
            rss_mib=memory.rss,
            pss_mib=memory.pss,
            descriptors=meters.descriptors_of(up.process.pid),
        )


def _usage(home: Path) -> tuple[int, int]:
    """Rows, and different request ids in them."""
    with closing(sqlite3.connect(home / "cloche.db")) as database:
        rows, ids = database.execute(
            "SELECT count(*), count(DISTINCT databricks_request_id) FROM endpoint_usage"
        ).fetchone()
    return int(rows), int(ids)


def _payloads(row: Gateway, home: Path) -> int:
    """Rows of all payload tables, as cloche's own command tells them."""
    command = [sys.executable, "-m", row.name.partition("-")[0], "tables", "list", "--json"]
    said = subprocess.run(command, env=os.environ | {"CLOCHE_HOME": str(home)}, capture_output=True, check=True).stdout
    return sum(int(table["rows"]) for table in json.loads(said))


def markdown(soak: Soak) -> str:
    """The report: counts, then the parts."""
    lines = [
        f"{soak.made_at}: {soak.minutes:g} minutes, {soak.rate:g} calls a second, {WORKERS} workers.",
        "",
        f"- calls sent {soak.sent:,}, answered {soak.answered:,}",
        f"- usage rows {soak.usage_rows:,}, with {soak.usage_ids:,} different ids; payload rows {soak.payload_rows:,}",
        f"- {'nothing is missing' if soak.complete else 'THE COUNTS DIFFER'}",
        "",
        "| after min | calls | bad | CPU s | RSS MiB | PSS MiB | descriptors |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *map(_line, soak.parts),
    ]
    lines += [f"- bad: {complaint}" for part in soak.parts for complaint in part.complaints]
    return "\n".join(lines) + "\n"


def _line(part: Part) -> str:
    told = (
        f"{part.minutes:.1f}",
        f"{part.sent:,}",
        str(part.bad),
        f"{part.cpu_s:.1f}",
        f"{part.rss_mib:.0f}",
        f"{part.pss_mib:.0f}",
        str(part.descriptors),
    )
    return f"| {' | '.join(told)} |"
