"""The table of gateways, and starting them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import msgspec
import pytest

from bench import gateways, rounds, running
from bench.calls import Target
from bench.gateways import Gateway
from bench.processes import all_cores

FORWARDS = Path(__file__).with_name("forwarding.py")


def stand_in(*command: str) -> Gateway:
    """A row for a program that is no real gateway."""
    row = gateways.read()["cloche"]
    return msgspec.structs.replace(row, name="stand-in", command=(sys.executable, *command))


def test_the_table_is_whole() -> None:
    """Every row reads, and every configuration that it names is there."""
    rows = gateways.read()
    assert {"nginx", "cloche"} <= set(rows)
    assert [row.conf for row in rows.values() if row.conf and not (gateways.HERE / "conf" / row.conf).exists()] == []


def test_every_peer_is_pinned() -> None:
    """No peer is installed in whatever version is newest today."""
    unpinned = [row.name for row in gateways.read().values() for package in row.pip if "==" not in package]
    assert unpinned == []


def test_a_program_that_ends_is_not_run(provider: Target, tmp_path: Path) -> None:
    """A gateway that ends before it answers is reported with its last words."""
    row = stand_in("-c", "raise SystemExit('no such option: --port')")
    with (
        pytest.raises(running.NotRun, match="no such option: --port"),
        running.gateway(row, provider.port, tmp_path, all_cores()),
    ):
        pass


def test_a_run_measures_a_gateway_and_reports_a_broken_one() -> None:
    """One run brings samples of what works and the reason for what does not."""
    works, broken = stand_in(str(FORWARDS), "@port@", "@upstream_port@"), stand_in("-c", "")
    broken = msgspec.structs.replace(broken, name="broken")
    plan = rounds.Plan([works, broken], ["json", "grow"], 2, 0.2, 100, 100, all_cores())
    result = rounds.run(plan)
    direct, measured = result.subjects
    assert ([direct.name, measured.name], list(result.not_run)) == (["direct", "stand-in"], ["broken"])
    assert [sample.done > 0 and sample.cpu_s > 0 for sample in measured.samples["json"]] == [True, True]
    assert [sample.bad for sample in measured.samples["json"]] == [0, 0]
    assert (measured.growth[-1].calls, measured.growth[-1].bad) == (100, 0)
    assert measured.loaded is not None
    assert min(dataclasses.astuple(measured.loaded)) > 0
