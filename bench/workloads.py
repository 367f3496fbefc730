"""What gateways are given to do, as a table, and how one of these is driven and metered.

The load generator runs on its own core; whether a figure is good or bad is for `figures.py` to say.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import meters
from bench.calls import Call, Target
from bench.native.building import built
from bench.processes import Cores, on
from bench.results import Sample

USUAL_ANSWER = 400
BIG = 10_000_000


@dataclass(frozen=True)
class Workload:
    """One kind of load; `open_loop` sends at the run's fixed rate instead of as fast as answers come."""

    call: Call
    connections: int
    open_loop: bool = False


WORKLOADS = {
    "json": Workload(Call(), connections=32),
    "rate": Workload(Call(), connections=64, open_loop=True),
    "burst": Workload(Call(stream=True), connections=16),
    "paced": Workload(Call(stream=True, delay_us=50_000, gap_us=20_000), connections=20),
    "big": Workload(Call(padding=BIG, answer_bytes=BIG), connections=2),
}
GROW = "grow"
USUAL = ("json", "rate", "burst", "paced")


@dataclass(frozen=True)
class Bench:
    """What every measurement of a run shares: a folder for its files, the cores, and the open loop's calls a second."""

    folder: Path
    cores: Cores
    rate: float


@dataclass(frozen=True)
class Spell:
    """How long a load lasts: so many seconds, or so many calls if they are done sooner (0: no such end)."""

    seconds: float
    calls: int = 0


def measure(bench: Bench, target: Target, pid: int | None, workload: Workload, spell: Spell) -> Sample:
    """Drives one workload and returns what came of it, with the CPU time of the process tree under `pid`."""
    request = bench.folder / "request"
    request.write_bytes(target.request(workload.call))
    command = [str(built("load")), "-p", str(target.port), "-f", str(request), "-c", str(workload.connections)]
    command += ["-d", str(spell.seconds), "-n", str(spell.calls)]
    command += ["-r", str(bench.rate)] if workload.open_loop else []
    command += _whole(workload.call)
    before = meters.cpu_of(pid) if pid else None
    with on(bench.cores.load):
        said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    sample = msgspec.json.decode(said, type=Sample)
    if pid is None or before is None:
        return sample
    return msgspec.structs.replace(sample, cpu_s=before.until(meters.cpu_of(pid)))


def _whole(call: Call) -> list[str]:
    """What makes an answer a whole one: the content and the finish of a stream, the bytes of a plain answer.

    A gateway may write JSON anew and drop fields, so a hundredth may be missing from a large one.
    """
    if call.stream:
        return ["-e", str(call.events + 1)]
    return ["-m", str(call.answer_bytes * 99 // 100 or USUAL_ANSWER)]
