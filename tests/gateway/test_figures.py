"""The figures of the last minute: what is counted, where, and when it is forgotten."""

from __future__ import annotations

import time

import pytest

from cloche.domain.endpoint import Endpoint, Properties
from cloche.gateway.figures import Figures, HostFigures, together
from cloche.gateway.totals import HostTotals
from cloche.snapshot import CompiledEndpoint, Slot, Snapshot
from cloche.telemetry import CallRecord
from cloche.wire.metrics import BUCKETS, Minute, Usage, render
from cloche.wire.series import series


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def endpoint(name: str) -> CompiledEndpoint:
    """An endpoint that has nothing behind it."""
    return CompiledEndpoint(Endpoint(f"id-{name}", name, "1", 0, 0, Properties()))


@pytest.fixture
def clock() -> Clock:
    """The clock of the figures."""
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> Figures:
    """Figures of two endpoints."""
    return Figures(Slot(Snapshot(1, {name: endpoint(name) for name in ("one", "two")}, {})), clock, clock)


def ended(name: str | None = "one", status: int = 200, milliseconds: float = 7.0) -> CallRecord:
    """A call that has ended."""
    return CallRecord(0.0, "id", "POST", "/path", status, milliseconds, endpoint=name)


def test_calls_are_counted_by_endpoint_and_outcome(figures: Figures) -> None:
    """Each call counts once at its own endpoint, as a caller's error, a failure or neither."""
    for status in (200, 200, 400, 429, 503):
        figures.note(ended(status=status))
    figures.note(ended("two"))
    minutes = figures.minutes({})
    one, two = minutes["id-one"], minutes["id-two"]
    assert (sum(one.latency), one.client_errors, one.server_errors) == (5, 2, 1)
    assert (sum(two.latency), two.client_errors, two.server_errors) == (1, 0, 0)


def test_what_clients_make_up_is_not_counted(figures: Figures) -> None:
    """Calls of endpoints that do not exist, and of none, leave nothing behind, however many names are tried."""
    figures.note(ended(None))
    figures.note(ended("nobody", 404))
    assert figures.minutes({"nobody": 3}) == {}


@pytest.mark.parametrize(("milliseconds", "bucket"), [(0.1, 0), (5.0, 0), (5.1, 1), (600_000.0, 15), (600_001.0, 16)])
def test_durations_fall_into_the_bucket_that_bounds_them(figures: Figures, milliseconds: float, bucket: int) -> None:
    """A bucket's bound belongs to it, and what is beyond the last one has a bucket of its own."""
    figures.note(ended(milliseconds=milliseconds))
    minute = figures.minutes({})["id-one"]
    assert [index for index, count in enumerate(minute.latency) if count] == [bucket]
    assert minute.milliseconds == milliseconds


def test_a_call_is_forgotten_after_a_minute(figures: Figures, clock: Clock) -> None:
    """A call counts for nearly a minute and not longer, and calls after it do not bring it back."""
    figures.note(ended())
    clock.now += 54
    figures.note(ended())
    assert sum(figures.minutes({})["id-one"].latency) == 2
    clock.now += 7
    assert sum(figures.minutes({})["id-one"].latency) == 1
    clock.now += 60
    assert figures.minutes({}) == {}


def test_a_minute_of_steady_calls_counts_about_a_minute(figures: Figures, clock: Clock) -> None:
    """Of one call each second over ten minutes, those of the last 55 to 60 seconds are left."""
    for _ in range(600):
        figures.note(ended())
        clock.now += 1
    assert 55 <= sum(figures.minutes({})["id-one"].latency) <= 60


def test_a_host_adds_up_its_processes(figures: Figures) -> None:
    """An endpoint's figures are those of this process and of all others, calls under way too."""
    host = HostFigures(figures)
    host.running = lambda: {"one": 2}
    figures.note(ended(status=500))
    other = {"id-one": Minute(latency=(1,) * 17, milliseconds=3.0, running=1), "id-two": Minute(client_errors=1)}
    host.elsewhere = together([other, other])
    one = host.of("id-one")
    assert (sum(one.latency), one.server_errors, one.running) == (35, 1, 4)
    assert host.of("id-two").client_errors == 2
    assert host.of("id-three") == Minute()


def counts(host: HostFigures, name: str) -> list[int]:
    """The calls of an endpoint's last hour, minute by minute."""
    minutes = host.hour_of(name)
    assert [each.minute for each in minutes] == list(range(minutes[0].minute, minutes[0].minute + 60))
    return [each.calls for each in minutes]


def test_an_hour_has_every_call_in_its_minute(figures: Figures, clock: Clock) -> None:
    """Of one call each ten seconds over two hours the last sixty minutes are told, the one under way as far as it
    is."""
    clock.now = 6000.0
    for number in range(725):
        figures.note(ended(status=500 if number % 6 == 0 else 429 if number % 6 == 1 else 200))
        clock.now += 10
    host = HostFigures(figures)
    assert counts(host, "id-one") == [6] * 59 + [5]
    assert host.calls_of("id-one") == 59 * 6 + 5
    assert {(each.client_errors, each.server_errors) for each in host.hour_of("id-one")} == {(1, 1)}
    clock.now += 1800
    assert counts(host, "id-one") == [6] * 29 + [5] + [0] * 30
    clock.now += 3600
    assert counts(host, "id-one") == [0] * 60


def test_every_call_is_news_once(figures: Figures, clock: Clock) -> None:
    """What one process tells another of its hour, second by second, is every call, once and in its minute."""
    there = HostFigures(Figures(Slot(Snapshot(0, {}, {})), clock, clock))
    clock.now = 6000.0
    for number in range(900):
        if number % 7 != 0:
            figures.note(ended("one" if number % 2 else "two"))
        there.hour_elsewhere.add_all(figures.news())
        clock.now += 1
    for _ in range(5):
        clock.now += 1
        there.hour_elsewhere.add_all(figures.news())
    here = HostFigures(figures)
    assert sum(counts(here, "id-one")) + sum(counts(here, "id-two")) == 900 - 129
    for name in ("id-one", "id-two"):
        assert counts(there, name) == counts(here, name)


def test_an_hour_is_forgotten_with_its_endpoint(figures: Figures, clock: Clock) -> None:
    """An endpoint that is gone leaves nothing behind, here and of elsewhere."""
    host = HostFigures(figures)
    for _ in range(200):
        figures.note(ended())
        clock.now += 5
    host.hour_elsewhere.add_all({"id-one": figures.hour("id-one")})
    host.keep_only(Snapshot(2, {"two": endpoint("two")}, {}))
    assert (figures.hour("id-one"), host.hour_elsewhere.all()) == ([], {})


@pytest.mark.parametrize(
    ("durations", "median", "high"),
    [((), None, None), ((7,), 7.5, 9.75), ((1, 1, 1, 400), 3.333, 450.0), ((700_000,), 600_000.0, 600_000.0)],
)
def test_percentiles_are_estimated_within_their_bucket(
    figures: Figures, durations: tuple[int, ...], median: float | None, high: float | None
) -> None:
    """Percentiles lie in the bucket where they are, and there are none without calls."""
    for duration in durations:
        figures.note(ended(milliseconds=duration))
    [told] = series(HostFigures(figures).hour_of("id-one")[-1:]).minutes
    assert (told.latency_ms_p50, told.latency_ms_p95) == (median, high)


def test_the_text_is_what_a_scraper_reads() -> None:
    """Each sample bears both labels, its value and the time, and the histogram adds up to its count."""
    minute = Minute((1, 2) + (0,) * 14 + (1,), 700_012.5, 1, 2, 3)
    lines = render("one", "id-1", minute, Usage(12.5, 3.25), 77).splitlines()
    labels = 'endpoint_name="one",endpoint_id="id-1"'
    assert f"cpu_usage_percentage{{{labels}}} 12.5 77" in lines
    assert f"mem_usage_percentage{{{labels}}} 3.25 77" in lines
    assert f"request_count_total{{{labels}}} 4 77" in lines
    assert f"request_4xx_count_total{{{labels}}} 1 77" in lines
    assert f"request_5xx_count_total{{{labels}}} 2 77" in lines
    assert f"provisioned_concurrent_requests_total{{{labels}}} 3 77" in lines
    buckets = [line.rsplit(" ", 2)[1] for line in lines if line.startswith("request_latency_ms_bucket")]
    assert buckets == ["1", *["3"] * (len(BUCKETS) - 1), "4"]
    assert f'request_latency_ms_bucket{{{labels},le="+Inf"}} 4 77' in lines
    assert f"request_latency_ms_sum{{{labels}}} 700012.5 77" in lines
    assert f"request_latency_ms_count{{{labels}}} 4 77" in lines


def test_a_system_that_does_not_tell_shows_no_usage() -> None:
    """Without a /proc there are no gauges of processor and memory, rather than wrong ones."""
    assert "usage" not in render("one", "id-1", Minute(), None, 77)


def test_totals_forget_what_is_gone() -> None:
    """Endpoints that come and go do not fill the memory: what is gone is forgotten, and the others count on."""
    both = Snapshot(1, {name: endpoint(name) for name in ("one", "two")}, {})
    totals = HostTotals(Slot(both))
    for name, status in (("one", 200), ("one", 500), ("two", 200)):
        totals.note(ended(name, status))
    totals.keep_only(Snapshot(2, {"one": endpoint("one")}, {}))
    assert [(each.endpoint, each.status) for each in totals.own().series] == [("one", "2xx"), ("one", "5xx")]
    totals.keep_only(Snapshot(3, {}, {}))
    assert totals.own().series == ()


def test_noting_a_call_costs_next_to_nothing(figures: Figures) -> None:
    """A call's figures cost about a microsecond; ten are allowed here, for slow machines."""
    record = ended()
    best = min(_seconds(figures, record) for _ in range(5))
    assert best < 10e-6, f"{best * 1e6:.2f} µs"


def _seconds(figures: Figures, record: CallRecord) -> float:
    began = time.perf_counter()
    for _ in range(2000):
        figures.note(record)
    return (time.perf_counter() - began) / 2000
