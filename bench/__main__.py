"""The command line: `python -m bench [run|peers|compare|publish|soak] …`; `run` may be left out.

Reads arguments and calls the part that does the work; prints reports on stdout, everything else on stderr.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench import comparing, gateways, peers, publishing, report, results, rounds, soak
from bench.gateways import Gateway
from bench.processes import all_cores, one_core_each
from bench.workloads import GROW, USUAL, WORKLOADS


def main(arguments: Sequence[str]) -> int:
    """Runs one verb; returns the exit status."""
    verbs: dict[str, Callable[[Sequence[str]], int]] = {
        "run": run,
        "peers": install_peers,
        "compare": compare,
        "publish": publish,
        "soak": run_soak,
    }
    named = bool(arguments) and arguments[0] in verbs
    verb = arguments[0] if named else "run"
    return verbs[verb](arguments[1:] if named else arguments)


def run(arguments: Sequence[str]) -> int:
    """Measures, prints the report, keeps the raw result.  1 where nothing could be measured."""
    table = gateways.read()
    options = _run_options().parse_args(arguments)
    chosen, not_run = _chosen(table, _names(options.only))
    wanted = _names(options.workloads)
    if unknown := [name for name in wanted if name != GROW and name not in WORKLOADS]:
        sys.exit(f"no such workload: {', '.join(unknown)}; there are {', '.join([*WORKLOADS, GROW])}")
    count, seconds = rounds.fitting(len(chosen), len(wanted))
    plan = rounds.Plan(
        gateways=chosen,
        workloads=wanted,
        rounds=options.rounds or count,
        seconds=options.seconds or seconds,
        rate=options.rate,
        calls=options.calls,
        cores=all_cores() if options.unpinned else one_core_each(),
    )
    result = rounds.run(plan)
    result.not_run.update(not_run)
    print(report.markdown(result))
    if options.out:
        results.save(result, options.out)
    return 0 if len(result.subjects) > 1 else 1


def install_peers(arguments: Sequence[str]) -> int:
    """Installs the peers named, or all; says which cannot be had, and counts that as no failure."""
    options = argparse.ArgumentParser(prog="bench peers", description="Installs the gateways to compare with.")
    options.add_argument("--only", default="", help="names, separated by commas; default: all")
    rows = [row for row in _rows(gateways.read(), _names(options.parse_args(arguments).only)) if row.is_peer]
    reasons = peers.install(rows)
    for row in rows:
        print(f"{row.name}: {'not run: ' + reasons[row.name] if row.name in reasons else 'installed'}")
    return 0


def compare(arguments: Sequence[str]) -> int:
    """Prints what changed from the first result to the second."""
    options = argparse.ArgumentParser(prog="bench compare", description="Sets two raw results side by side.")
    options.add_argument("before", type=Path)
    options.add_argument("after", type=Path)
    given = options.parse_args(arguments)
    print(comparing.markdown(results.load(given.before), results.load(given.after)))
    return 0


def publish(arguments: Sequence[str]) -> int:
    """Puts results into docs/performance.md."""
    options = argparse.ArgumentParser(prog="bench publish", description="Puts raw results into the documentation.")
    options.add_argument("result", type=Path, nargs="+")
    for raw in publishing.publish([results.load(path) for path in options.parse_args(arguments).result]):
        print(raw)
    return 0


def run_soak(arguments: Sequence[str]) -> int:
    """Keeps a governed cloche busy for long.  1 where a call or a row is missing."""
    options = argparse.ArgumentParser(prog="bench soak", description="Looks for lost calls and for growth over hours.")
    options.add_argument("--minutes", type=float, default=60.0)
    options.add_argument("--rate", type=float, default=50.0, help="calls a second")
    options.add_argument("--parts", type=int, default=6, help="looks at the memory, at equal times")
    options.add_argument("--out", type=Path, help="where to keep the raw result (JSON)")
    given = options.parse_args(arguments)
    made = soak.run(soak.Plan(given.minutes, given.rate, given.parts, all_cores()))
    print(soak.markdown(made))
    if given.out:
        given.out.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    return 0 if made.complete else 1


def _run_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="bench", description="Measures cloche beside other gateways.")
    options.add_argument("--only", default="", help="gateways; default: nginx, cloche and every installed peer")
    options.add_argument(
        "--workloads", default=",".join(USUAL), help=f"of {', '.join([*WORKLOADS, GROW])}; default: the first four"
    )
    options.add_argument("--rounds", type=int, default=0, help="default: 5, or 3 with many gateways")
    options.add_argument("--seconds", type=float, default=0.0, help="for one measurement; default: what fits 3 minutes")
    options.add_argument("--rate", type=float, default=100.0, help="requests/s where latency is measured")
    options.add_argument("--calls", type=int, default=200_000, help="over which growth is measured")
    options.add_argument("--unpinned", action="store_true", help="let everything run on all cores")
    options.add_argument("--out", type=Path, help="where to keep the raw result (JSON)")
    return options


def _chosen(table: dict[str, Gateway], names: Sequence[str]) -> tuple[list[Gateway], dict[str, str]]:
    """The gateways to run, and why others that were asked for will not; nginx is small enough to fetch unasked."""
    peers_missing = peers.install([table["nginx"]]) if not names or "nginx" in names else {}
    ready = [row for row in _rows(table, names) if not row.is_peer or peers.installed(row)]
    missing = {row.name: "not installed (python -m bench peers)" for row in _rows(table, names) if row not in ready}
    return ready, missing | peers_missing


def _rows(table: dict[str, Gateway], names: Sequence[str]) -> list[Gateway]:
    if unknown := [name for name in names if name not in table]:
        sys.exit(f"no such gateway: {', '.join(unknown)}; there are {', '.join(table)}")
    return [row for name, row in table.items() if not names or name in names]


def _names(listed: str) -> list[str]:
    return [name for name in listed.split(",") if name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
