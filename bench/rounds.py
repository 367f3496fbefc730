"""A whole run: everything is started once, warmed up, and measured in rounds that alternate their order.

Alternating matters: a neighbour that steals the machine for ten seconds then hits different gateways in different
rounds, and ratios within one round stay true.  How figures come of it is not known here.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import meters, running
from bench.calls import Call, Target
from bench.gateways import Gateway
from bench.growth import grow
from bench.processes import Cores
from bench.results import Conditions, Result, Sample, Subject
from bench.running import NotRun, Running
from bench.workloads import GROW, WORKLOADS, Bench, Spell, Workload, measure

WARM_UP = (
    (Workload(Call(), connections=8), Spell(1.0)),
    (Workload(Call(stream=True), connections=4), Spell(0.5)),
)
BUDGET_S = 100.0


@dataclass(frozen=True)
class Plan:
    """What to run.  `seconds` is for one measurement; `calls` for the growth of memory; `rate` in calls a second."""

    gateways: Sequence[Gateway]
    workloads: Sequence[str]
    rounds: int
    seconds: float
    rate: float
    calls: int
    cores: Cores


@dataclass(frozen=True)
class Seat:
    """One subject of the run beside what is needed to measure it; no `running` for calls without a gateway."""

    subject: Subject
    target: Target
    running: Running | None = None

    @property
    def pid(self) -> int | None:
        """The root of the process tree to meter."""
        return self.running.process.pid if self.running else None


def fitting(gateways: int, workloads: int) -> tuple[int, float]:
    """Rounds, and seconds for one measurement, that keep a run with so many gateways below three minutes."""
    rounds = 5 if gateways <= 5 else 3
    return rounds, min(2.0, max(0.5, BUDGET_S / (rounds * (gateways + 1) * max(1, workloads))))


def run(plan: Plan) -> Result:
    """Runs the plan; gateways that do not come up are in the result's `not_run`."""
    not_run: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as stack:
        folder = Path(name)
        bench = Bench(folder, plan.cores, plan.rate)
        port = stack.enter_context(running.provider(plan.cores))
        seats = [Seat(Subject("direct", "no gateway"), running.direct(port))]
        for row in plan.gateways:
            try:
                seats.append(_seat(stack.enter_context(running.gateway(row, port, folder, plan.cores))))
            except NotRun as problem:
                not_run[row.name] = str(problem)
                _tell(f"not run: {row.name}: {problem}")
        conditions = _drive(plan, bench, seats)
    return Result(conditions, [seat.subject for seat in seats], not_run)


def _seat(up: Running) -> Seat:
    row = up.gateway
    _tell(f"{row.name}: first answer after {up.start_s:.2f} s, {up.idle.rss:.0f} MiB")
    packages = row.pip + row.npm
    return Seat(Subject(row.name, row.title, packages, start_s=up.start_s, idle=up.idle), up.target, up)


def _drive(plan: Plan, bench: Bench, seats: Sequence[Seat]) -> Conditions:
    timed = [name for name in plan.workloads if name in WORKLOADS]
    for seat in seats:
        for workload, spell in WARM_UP if timed else ():
            measure(bench, seat.target, seat.pid, workload, spell)
    machine_before, own_before = meters.machine(), meters.cpu_of(os.getpid())
    for number in range(plan.rounds if timed else 0):
        for seat in seats if number % 2 == 0 else reversed(seats):
            _measure_all(bench, seat, timed, plan.seconds)
            _tell(f"round {number + 1} of {plan.rounds}: {seat.subject.name}")
    conditions = _conditions(plan, machine_before, own_before)
    if GROW in plan.workloads:
        for seat in seats:
            if seat.pid:
                _tell(f"growth over {plan.calls} calls: {seat.subject.name}")
                seat.subject.growth = list(grow(bench, seat.target, seat.pid, plan.calls))
    return conditions


def _measure_all(bench: Bench, seat: Seat, workloads: Sequence[str], seconds: float) -> None:
    for name in workloads:
        sample = measure(bench, seat.target, seat.pid, WORKLOADS[name], Spell(seconds))
        seat.subject.samples.setdefault(name, []).append(sample)
        _complain(seat.subject, name, sample)
    if seat.pid:
        seat.subject.loaded = _larger(seat.subject.loaded, meters.memory_of(seat.pid))


def _larger(before: meters.Memory | None, now: meters.Memory) -> meters.Memory:
    return now if before is None else replace(now, rss=max(before.rss, now.rss), pss=max(before.pss, now.pss))


def _complain(subject: Subject, workload: str, sample: Sample) -> None:
    if sample.bad:
        _tell(f"BAD ANSWERS: {subject.name}, {workload}: {sample.complaint()}; {sample.done} good")


def _conditions(plan: Plan, machine_before: meters.Machine, own_before: meters.CpuTime) -> Conditions:
    now = meters.machine()
    total = max(1, now.total - machine_before.total)
    own = (meters.cpu_of(os.getpid()).coarse_s - own_before.coarse_s) * meters.TICKS
    foreign = max(0.0, now.busy - machine_before.busy - own)
    return Conditions(
        made_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=_commit(),
        machine=_machine(),
        pinned=plan.cores.gateway != plan.cores.load,
        rounds=plan.rounds,
        seconds=plan.seconds,
        rate=plan.rate,
        stolen_percent=100 * (now.stolen - machine_before.stolen) / total,
        foreign_percent=100 * foreign / total,
    )


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release()}, Python {platform.python_version()}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
