"""What a run brings back, as it is kept in JSON.  Raw counts and times only: figures are worked out from them later,
so that an old result can be read with new eyes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.meters import Memory


class Sample(msgspec.Struct, frozen=True):
    """One workload on one gateway in one round, as the load generator saw it, and the CPU that it cost.

    `done` counts whole answers with status 2xx; everything else is one of the bad kinds.  `cpu_s` is of the gateway's
    process tree; 0 for calls without a gateway.
    """

    done: int
    refused: int
    first_bad_status: int
    cut: int
    short: int
    hung: int
    unreachable: int
    seconds: float
    events: int
    bytes: int
    p50_us: float
    p99_us: float
    first_byte_p50_us: float
    age_p50_us: float
    age_p99_us: float
    cpu_s: float = 0.0

    @property
    def bad(self) -> int:
        """Calls that did not bring a whole, good answer."""
        return self.refused + self.cut + self.short + self.hung + self.unreachable

    def complaint(self) -> str:
        """What went wrong, for people; empty where nothing did."""
        kinds = {
            f"answered {self.first_bad_status}": self.refused,
            "cut off": self.cut,
            "too short": self.short,
            "never ended": self.hung,
            "could not connect": self.unreachable,
        }
        return ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n)


class GrowthPoint(msgspec.Struct, frozen=True):
    """Memory after so many calls."""

    calls: int
    bad: int
    memory: Memory


class Subject(msgspec.Struct):
    """One gateway of a run, or "direct": the same calls without a gateway."""

    name: str
    title: str
    packages: tuple[str, ...] = ()
    start_s: float | None = None
    idle: Memory | None = None
    loaded: Memory | None = None
    samples: dict[str, list[Sample]] = {}
    growth: list[GrowthPoint] = []


class Conditions(msgspec.Struct, frozen=True):
    """Where and how a run was made.  Percentages are of all cores' time during the rounds."""

    made_at: str
    commit: str
    machine: str
    pinned: bool
    rounds: int
    seconds: float
    rate: float
    stolen_percent: float = 0.0
    foreign_percent: float = 0.0


class Result(msgspec.Struct, frozen=True):
    """A whole run; `not_run` has the reason for each gateway that was asked for and could not be measured."""

    conditions: Conditions
    subjects: list[Subject]
    not_run: dict[str, str]

    def subject(self, name: str) -> Subject | None:
        """The gateway of that name, where it was measured."""
        return next((subject for subject in self.subjects if subject.name == name), None)


def save(result: Result, to: Path) -> None:
    """Writes the result as indented JSON."""
    to.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


def load(source: Path) -> Result:
    """Reads a result.  Raises msgspec.DecodeError or ValidationError on a file that is none."""
    return msgspec.json.decode(source.read_bytes(), type=Result)
