"""Reads Linux's own meters: the CPU time and memory of a process and all its descendants, and of the machine.

Nothing here starts, stops or judges anything.  A process may end between two reads of /proc: what has gone counts
as nothing, since its time has moved to its parent by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024.0


@dataclass(frozen=True)
class CpuTime:
    """What a tree of processes has used so far: seconds by the coarse clock, nanoseconds of each thread by the fine."""

    coarse_s: float
    fine_ns: dict[str, int]

    def until(self, later: CpuTime) -> float:
        """Seconds of CPU between two readings.

        The fine clock is exact, but loses the threads that ended in between; where the coarse clock saw clearly more,
        it is the better witness.
        """
        fine = sum(ns - self.fine_ns.get(thread, 0) for thread, ns in later.fine_ns.items()) / 1e9
        coarse = later.coarse_s - self.coarse_s
        return coarse if coarse > 1.1 * fine + 0.02 else fine


@dataclass(frozen=True)
class Memory:
    """MiB of a tree: `rss` counts shared pages once per process, `pss` once in all."""

    rss: float
    pss: float


@dataclass(frozen=True)
class Machine:
    """Ticks of all cores since boot."""

    stolen: int
    busy: int
    total: int


def cpu_of(pid: int) -> CpuTime:
    """CPU time of the process, its threads, its descendants, and of those that have ended."""
    coarse, fine = 0, {}
    for process in _tree(pid):
        # utime, stime, and the same of children that were waited for
        coarse += sum(int(ticks) for ticks in _text(f"/proc/{process}/stat").rpartition(")")[2].split()[11:15])
        for task in _tasks(process):
            if spent := _text(f"{task}/schedstat"):
                fine[str(task)] = int(spent.split()[0])
    return CpuTime(coarse / TICKS, fine)


def memory_of(pid: int) -> Memory:
    """Memory of the process and its descendants."""
    rss = pss = 0
    for process in _tree(pid):
        for line in _text(f"/proc/{process}/smaps_rollup").splitlines():
            rss += int(line.split()[1]) if line.startswith("Rss:") else 0
            pss += int(line.split()[1]) if line.startswith("Pss:") else 0
    return Memory(rss / MIB, pss / MIB)


def descriptors_of(pid: int) -> int:
    """Open files and sockets of the process and its descendants."""
    return sum(_descriptors(process) for process in _tree(pid))


def machine() -> Machine:
    """What the machine as a whole has done so far."""
    user, nice, system, idle, iowait, irq, softirq, stolen = (
        int(ticks) for ticks in _text("/proc/stat").splitlines()[0].split()[1:9]
    )
    busy = user + nice + system + irq + softirq
    return Machine(stolen, busy, busy + idle + iowait + stolen)


def _tree(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        yield process
        for task in _tasks(process):
            waiting += [int(child) for child in _text(f"{task}/children").split()]


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _descriptors(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
