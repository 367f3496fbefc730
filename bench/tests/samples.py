"""Results made by hand, for the tests of figures and reports."""

from __future__ import annotations

import msgspec

from bench.meters import Memory
from bench.results import Conditions, GrowthPoint, Result, Sample, Subject

QUIET = Sample(
    done=1000,
    refused=0,
    first_bad_status=0,
    cut=0,
    short=0,
    hung=0,
    unreachable=0,
    seconds=1.0,
    events=10_000,
    bytes=1,
    p50_us=200,
    p99_us=900,
    first_byte_p50_us=100,
    age_p50_us=20,
    age_p99_us=50,
)


def sample(cpu_us: float, **changes: float) -> Sample:
    """A good sample that cost so many µs for each of its 1,000 calls."""
    return msgspec.structs.replace(QUIET, cpu_s=cpu_us / 1000, **changes)


def gateway(name: str, *cpu_us: float) -> Subject:
    """A gateway with one `json` sample for each cost."""
    memory = Memory(20, 10)
    samples = {"json": [sample(cost) for cost in cpu_us]}
    growth = [GrowthPoint(100, 0, Memory(20, 10)), GrowthPoint(1000, 0, Memory(23.5, 10))]
    return Subject(name, name.title(), start_s=0.5, idle=memory, loaded=memory, samples=samples, growth=growth)


def result(*subjects: Subject) -> Result:
    """A result of these gateways, from a quiet machine."""
    conditions = Conditions("2026-01-02 03:04 UTC", "abc", "a machine", True, 5, 1.0, 100.0)
    return Result(conditions, [Subject("direct", "no gateway"), *subjects], {})
