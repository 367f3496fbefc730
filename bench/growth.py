"""Whether a gateway's memory grows: many calls, and a look at the memory after every tenth part of them.

The first part only warms it up; a leak shows as growth from there on.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import meters
from bench.calls import Call, Target
from bench.results import GrowthPoint
from bench.workloads import WORKLOADS, Bench, Spell, Workload, measure

PARTS = 10
STREAMED_SHARE = 0.2
SHORT_STREAM = Workload(Call(stream=True, events=4), connections=16)
# A slow gateway would take hours for what a fast one does in seconds: the report says how many calls there were.
PART_LIMIT_S = 20.0


def grow(bench: Bench, target: Target, pid: int, calls: int) -> Iterator[GrowthPoint]:
    """Makes `calls` calls, one in five a short stream; yields a point after each tenth part."""
    streamed = int(calls * STREAMED_SHARE / PARTS)
    plain = calls // PARTS - streamed
    done = bad = 0
    for _ in range(PARTS):
        for workload, share in ((WORKLOADS["json"], plain), (SHORT_STREAM, streamed)):
            sample = measure(bench, target, pid, workload, Spell(PART_LIMIT_S, share))
            done += sample.done
            bad += sample.bad
        yield GrowthPoint(done, bad, meters.memory_of(pid))
