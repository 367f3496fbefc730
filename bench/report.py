"""Lays a result out as Markdown: tables, then everything that a reader must know before believing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench import figures
from bench.figures import Figure, Spread
from bench.results import Result, Subject

BUSY_P99_MS = 5.0
NOISY_PERCENT = 5.0
FAILED = "**failed**"


def markdown(result: Result) -> str:
    """The whole report."""
    parts = [_heading(result)]
    for title, draw in (
        ("CPU", _cpu),
        ("Latency, memory, start", _latency),
        ("10 MB bodies", _big),
        ("Growth", _growth),
    ):
        if table := draw(result):
            parts.append(f"**{title}**\n\n{table}")
    parts.append("\n".join(f"- {line}" for line in _remarks(result)))
    return "\n\n".join(parts) + "\n"


def _heading(result: Result) -> str:
    c = result.conditions
    cores = "gateway on one core, load and provider on another" if c.pinned else "not pinned to cores"
    rounds = f"medians of {c.rounds} alternating rounds of {c.seconds:.1f} s"
    return f"{c.made_at}, commit {c.commit}, {c.machine}; {cores}; {rounds}."


def _cpu(result: Result) -> str:
    limit = figures.limit_of(result)
    if limit is None:
        return ""
    head = ["gateway", "CPU µs/request", f"× {limit.name}", "requests/s per core"]
    head += ["burst µs/event", f"× {limit.name}", "paced µs/event", f"× {limit.name}", "bad answers"]
    rows = []
    for subject in _having(result, "json", "burst", "paced"):
        request = figures.own(subject, figures.CPU_REQUEST)
        rows.append(
            (
                subject.title,
                *_own_and_ratio(subject, limit, figures.CPU_REQUEST),
                f"{1e6 / request.median:,.0f}" if request and request.median else _missing(subject, "json"),
                *_own_and_ratio(subject, limit, figures.CPU_BURST),
                *_own_and_ratio(subject, limit, figures.CPU_PACED),
                _bad(subject),
            )
        )
    return _table(head, rows)


def _latency(result: Result) -> str:
    direct = result.subject("direct")
    head = ["gateway", "added p50 ms", "added p99 ms", "added first byte ms", "added event age ms"]
    head += ["RSS MiB, idle", "loaded", "PSS MiB, loaded", "first 200 s"]
    rows = [
        (
            subject.title,
            *(_added(subject, direct, figure) for figure in figures.LATENCY_FIGURES[:4]),
            f"{subject.idle.rss:.0f}" if subject.idle else "",
            f"{subject.loaded.rss:.0f}" if subject.loaded else "",
            f"{subject.loaded.pss:.0f}" if subject.loaded else "",
            f"{subject.start_s:.2f}",
        )
        for subject in result.subjects
        if subject.start_s is not None
    ]
    return _table(head, rows)


def _big(result: Result) -> str:
    limit, direct = figures.limit_of(result), result.subject("direct")
    if limit is None:
        return ""
    head = ["gateway", "added ms", "CPU ms/request", f"× {limit.name}", "bad answers"]
    rows = [
        (
            subject.title,
            _added(subject, direct, figures.BIG_P50),
            *_own_and_ratio(subject, limit, figures.CPU_BIG),
            _bad(subject),
        )
        for subject in _having(result, "big")
    ]
    return _table(head, rows)


def _growth(result: Result) -> str:
    head = ["gateway", "calls", "RSS MiB after a tenth", "at the end", "growth MiB", "bad answers"]
    rows = []
    for subject in result.subjects:
        if subject.growth:
            first, last = subject.growth[0], subject.growth[-1]
            grown = last.memory.rss - first.memory.rss
            memory = (f"{first.memory.rss:.1f}", f"{last.memory.rss:.1f}", f"{grown:+.1f}")
            rows.append((subject.title, f"{last.calls:,}", *memory, f"{last.bad:,}"))
    return _table(head, rows)


def _remarks(result: Result) -> Iterator[str]:
    c = result.conditions
    yield f"Host steal {c.stolen_percent:.0f} %, other programs {c.foreign_percent:.0f} % of all cores' time."
    if c.stolen_percent > NOISY_PERCENT:
        yield "**Stolen time is booked as the gateway's CPU: trust only ratios, and of these only clear ones.**"
    if c.foreign_percent > NOISY_PERCENT:
        yield "**Other programs ran on this machine: latencies are not valid, CPU only by its ratios.**"
    direct = result.subject("direct")
    p99 = [value for value in figures.values(direct, figures.P99) if value is not None] if direct else []
    if p99:
        yield f"Without a gateway, at {c.rate:.0f} requests/s: {_direct_latency(direct)}."
    if p99 and max(p99) > BUSY_P99_MS:
        yield f"**Machine busy: p99 without a gateway reached {max(p99):.1f} ms; latencies of this run are not valid.**"
    for subject in result.subjects:
        yield from _complaints(subject)
    for name, reason in result.not_run.items():
        yield f"Not run: {name}: {reason}"


def _direct_latency(direct: Subject | None) -> str:
    named = [(figure, figures.own(direct, figure) if direct else None) for figure in figures.LATENCY_FIGURES]
    return ", ".join(f"{figure.title} {middle.median:.2f} {figure.unit}" for figure, middle in named if middle)


def _complaints(subject: Subject) -> Iterator[str]:
    for workload, samples in subject.samples.items():
        for number, sample in enumerate(samples, 1):
            if sample.bad:
                complaint = f"{sample.complaint()}, beside {sample.done} good"
                yield f"**BAD ANSWERS: {subject.name}, {workload}, round {number}: {complaint}.**"


def _having(result: Result, *workloads: str) -> list[Subject]:
    gateways = [subject for subject in result.subjects if subject.start_s is not None]
    return [subject for subject in gateways if any(name in subject.samples for name in workloads)]


def _own_and_ratio(subject: Subject, limit: Subject, figure: Figure) -> tuple[str, str]:
    own, ratio = figures.own(subject, figure), figures.ratio(subject, limit, figure)
    missing = _missing(subject, figure.workload)
    return _shown(own, _plain) or missing, _shown(ratio, _with_quartiles) or missing


def _added(subject: Subject, direct: Subject | None, figure: Figure) -> str:
    middle = figures.added(subject, direct, figure) if direct else None
    return _shown(middle, lambda s: f"{s.median:.2f}") or _missing(subject, figure.workload)


def _missing(subject: Subject, workload: str) -> str:
    return FAILED if workload in subject.samples else ""


def _bad(subject: Subject) -> str:
    bad = sum(sample.bad for samples in subject.samples.values() for sample in samples)
    return f"**{bad:,}**" if bad else "0"


def _shown(middle: Spread | None, form: Callable[[Spread], str]) -> str:
    return form(middle) if middle else ""


def _plain(s: Spread) -> str:
    return f"{s.median:,.0f}" if s.median >= 100 else f"{s.median:.1f}"


def _with_quartiles(s: Spread) -> str:
    digits = 2 if s.median < 10 else 0
    return f"{s.median:,.{digits}f} [{s.low:,.{digits}f}–{s.high:,.{digits}f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
