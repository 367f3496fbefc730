"""The four time-outs: each fires, names itself, frees everything, and does not fire without cause."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloche.domain.errors import ProviderTimeout
from cloche.domain.outbound import Origin, Timeouts

from .conftest import Run
from .scripted import OK, PATIENT, SSE, Peer, Recorder, answering, ask, client, fetch, serving

SOON = 4.0
"""Seconds: well before any other time-out of these calls, also where the machine has other things to do."""

HEADED = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n"


@contextmanager
def black_hole() -> Iterator[Origin]:
    """A listener that accepts nothing and whose backlog is full: to connect is to wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        time.sleep(0.05)
        try:
            yield Origin(*address)
        finally:
            for filler in fillers:
                filler.close()


def open_sockets_to(port: int) -> int:
    """How many sockets of this machine are bound for that port, in any state but closed."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] in ("01", "02") for row in rows)


def test_connect(run: Run) -> None:
    """Connecting takes too long: a ProviderTimeout that says so, and the socket is gone."""

    async def main() -> None:
        with black_hole() as origin:
            before = open_sockets_to(origin.port)
            async with client() as upstream:
                began = time.monotonic()
                got = await fetch(upstream, origin, timeouts=Timeouts(connect=0.3))
                assert isinstance(got.problem, ProviderTimeout)
                assert "0.3 s (connect)" in got.problem.message
                assert 0.3 <= time.monotonic() - began < SOON
                assert before == open_sockets_to(origin.port)

    run(main)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_first_byte(run: Run, sent: bytes) -> None:
    """No answer, only an interim one, or half a head: the first byte of an answer is missing."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            assert await peer.gone()

        async with serving(script) as server, client() as upstream:
            began = time.monotonic()
            got = await fetch(upstream, server.origin, timeouts=Timeouts(first_byte=0.3, between_bytes=0.1))
            assert isinstance(got.problem, ProviderTimeout)
            assert "0.3 s (first byte)" in got.problem.message
            assert 0.3 <= time.monotonic() - began < SOON
            await asyncio.sleep(0.05)
            assert server.open == 0

    run(main)


def test_between_bytes(run: Run) -> None:
    """A stream that falls silent is given up; every byte before starts the time anew."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(HEADED)
            for _ in range(5):
                await asyncio.sleep(0.15)
                await peer.send(b"x")
            assert await peer.gone()

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, server.origin, timeouts=Timeouts(first_byte=0.2, between_bytes=0.3))
            assert isinstance(got.problem, ProviderTimeout)
            assert "0.3 s (between bytes)" in got.problem.message
            assert got.body == b"xxxxx"

    run(main)


def test_total(run: Run) -> None:
    """A stream that never falls silent still ends."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(HEADED)
            while True:
                await asyncio.sleep(0.02)
                await peer.send(b"x")

        async with serving(script) as server, client() as upstream:
            began = time.monotonic()
            got = await fetch(upstream, server.origin, timeouts=Timeouts(between_bytes=0.3, total=0.5))
            assert isinstance(got.problem, ProviderTimeout)
            assert "0.5 s (total)" in got.problem.message
            assert 0.5 <= time.monotonic() - began < SOON

    run(main)


def test_time_paused_counts_only_towards_total(run: Run) -> None:
    """A slow reader is not the provider's silence, neither before nor after the head."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(SSE)

        async with serving(script) as server, client() as upstream:
            patience = Timeouts(connect=0.3, first_byte=0.3, between_bytes=0.3, total=5)
            got, exchange = ask(upstream, server.origin, timeouts=patience)
            exchange.pause()
            await asyncio.sleep(0.8)
            assert not got.over.is_set()
            exchange.resume()
            await got.wait()
            assert got.ended

            short = Timeouts(connect=0.3, first_byte=0.3, between_bytes=0.3, total=0.5)
            got, exchange = ask(upstream, server.origin, timeouts=short)
            exchange.pause()
            await got.wait()
            assert got.problem is not None
            assert "(total)" in got.problem.message

    run(main)


def test_a_stall_of_the_loop_is_not_the_providers_silence(run: Run) -> None:
    """When the process itself slept, what waits in the socket is read before silence is judged."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(HEADED)
            await asyncio.sleep(0.25)
            peer.writer.write(b"x" * 40)
            time.sleep(0.6)  # the bytes are in the socket, and nobody reads them
            await peer.gone()

        async with serving(script) as server, client() as upstream:
            got = await fetch(upstream, server.origin, timeouts=Timeouts(between_bytes=0.4))
            assert got.problem is None
            assert got.ended

    run(main)


def test_the_sweep_rests_when_there_are_no_calls(run: Run) -> None:
    """Without calls no timer runs, and time-outs work again after a rest."""

    async def main() -> None:
        async with serving(answering(OK)) as server, client() as upstream:
            assert (await fetch(upstream, server.origin)).ended
            await asyncio.sleep(0.25)
            assert upstream._watch._timer is None
            assert (await fetch(upstream, server.origin)).ended
            silent = Recorder()

            async def script(peer: Peer) -> None:
                await peer.gone()

            async with serving(script) as mute:
                ask(upstream, mute.origin, receiver=silent, timeouts=Timeouts(first_byte=0.2))
                await silent.wait()
            assert isinstance(silent.problem, ProviderTimeout)

    run(main)


def test_one_call_timing_out_leaves_others_alone(run: Run) -> None:
    """Each call is judged by its own time-outs."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await asyncio.sleep(0.6)
            await peer.send(OK)

        async with serving(script) as server, client() as upstream:
            hasty, _ = ask(upstream, server.origin, timeouts=Timeouts(first_byte=0.2))
            patient, _ = ask(upstream, server.origin, timeouts=PATIENT)
            await asyncio.gather(hasty.wait(), patient.wait())
            assert isinstance(hasty.problem, ProviderTimeout)
            assert patient.ended

    run(main)
