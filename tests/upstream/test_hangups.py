"""Cancelling, pausing, failing receivers and closing down, in every phase of a call."""

from __future__ import annotations

import asyncio
import socket
import threading

import msgspec
import pytest

from cloche.domain.errors import InternalError, NotReady
from cloche.domain.outbound import BytesLike, Origin
from cloche.upstream import Upstream, UpstreamOptions

from .conftest import Run
from .scripted import CHUNKED, OK, PATIENT, Peer, Recorder, Script, answering, ask, client, fetch, serving
from .test_timeouts import black_hole, open_sockets_to

STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"


def test_cancel_while_connecting(run: Run) -> None:
    """Cancelled before there is a connection: the attempt is dropped and its socket closed."""

    async def main() -> None:
        with black_hole() as origin:
            before = open_sockets_to(origin.port)
            async with client() as upstream:
                got, exchange = ask(upstream, origin)
                await asyncio.sleep(0.1)
                assert open_sockets_to(origin.port) == before + 1
                exchange.cancel()
                await asyncio.sleep(0.05)
                assert (open_sockets_to(origin.port), upstream.active) == (before, 0)
                assert not got.over.is_set()

    run(main)


def test_cancel_at_every_turn_of_the_loop(run: Run) -> None:
    """However far connecting has come, cancelling leaves neither a socket nor a call behind."""

    async def main() -> None:
        async with serving(answering(CHUNKED)) as server, client() as upstream:
            for turns in range(25):
                got, exchange = ask(upstream, server.origin)
                for _ in range(turns):
                    await asyncio.sleep(0)
                exchange.cancel()
                exchange.cancel()
                ended = got.ended
                await asyncio.sleep(0.01)
                assert ended == got.ended
                assert got.problem is None
                assert upstream.active == 0
                assert server.open == upstream.idle

    run(main)


@pytest.mark.parametrize("sent", [b"", STREAM[:20], STREAM], ids=["before the answer", "in the head", "in the body"])
def test_cancel_while_answering(run: Run, sent: bytes) -> None:
    """Cancelled at any time of the answer: the server sees the connection close within a second."""

    async def main() -> None:
        gone = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(sent)
            gone.set_result(await peer.gone())

        async with serving(script) as server, client() as upstream:
            got, exchange = ask(upstream, server.origin)
            await asyncio.sleep(0.1)
            exchange.cancel()
            assert upstream.active == 0
            assert await gone
            assert not got.over.is_set()
            exchange.pause()
            exchange.resume()
            exchange.cancel()

    run(main)


def test_cancel_while_sending(run: Run) -> None:
    """Cancelled while a big request is being written: the rest of it is dropped at once."""

    async def main() -> None:
        gone = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.head()
            await asyncio.sleep(0.2)
            gone.set_result(await peer.gone())

        async with serving(script) as server, client() as upstream:
            _, exchange = ask(upstream, server.origin, [b"x" * 30_000_000])
            await asyncio.sleep(0.1)
            exchange.cancel()
            assert await gone

    run(main)


@pytest.mark.parametrize("moment", ["on_head", "on_data", "on_end"])
def test_cancel_from_inside(run: Run, moment: str) -> None:
    """A receiver that cancels from inside a callback is told nothing more."""

    async def main() -> None:
        class Fickle(Recorder):
            def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
                super().on_head(status, headers)
                self.maybe("on_head")

            def on_data(self, data: bytes) -> None:
                super().on_data(data)
                self.maybe("on_data")

            def on_end(self) -> None:
                super().on_end()
                self.maybe("on_end")

            def maybe(self, now: str) -> None:
                assert not moment_reached
                if now == moment:
                    moment_reached.append(now)
                    exchange.cancel()

        moment_reached: list[str] = []
        async with serving(answering(CHUNKED)) as server, client() as upstream:
            got, exchange = ask(upstream, server.origin, receiver=Fickle())
            await asyncio.sleep(0.1)
            assert [moment] == moment_reached
            assert got.problem is None
            assert (0, int(moment == "on_end")) == (upstream.active, upstream.idle)
            assert (await fetch(upstream, server.origin)).ended

    run(main)


def test_a_late_cancel_does_not_hit_the_next_call(run: Run) -> None:
    """The handle of a finished call has no power over the connection's next one."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await asyncio.sleep(0.1)
            await peer.send(OK)

        async with serving(script) as server, client() as upstream:
            first, old = ask(upstream, server.origin)
            await first.wait()
            second, _ = ask(upstream, server.origin)
            old.cancel()
            old.pause()
            await second.wait()
            assert second.ended
            assert server.connections == 1

    run(main)


@pytest.mark.parametrize("moment", ["on_head", "on_data", "on_end", "on_failure"])
def test_a_receiver_that_raises(moment: str) -> None:
    """Its error goes to the loop's handler, it is told that nothing more comes, its connection is closed, and other
    calls go on."""
    told: list[object] = []

    class Faulty(Recorder):
        def maybe(self, now: str) -> None:
            if now == moment:
                raise LookupError(now)

        def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
            self.maybe("on_head")

        def on_data(self, data: bytes) -> None:
            self.maybe("on_data")

        def on_end(self) -> None:
            self.maybe("on_end")

        def on_failure(self, problem: object) -> None:
            self.maybe("on_failure")
            told.append(problem)

    async def main() -> None:
        heard: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context.get("exception")))
        wire = b"nonsense" if moment == "on_failure" else CHUNKED
        async with serving(answering(wire)) as server, serving(answering(OK)) as good, client() as upstream:
            ask(upstream, server.origin, receiver=Faulty())
            await asyncio.sleep(0.1)
            assert [moment] == [str(error.args[0]) for error in heard if isinstance(error, LookupError)]
            assert len(heard) == 1
            assert [type(problem) for problem in told] == ([] if moment == "on_failure" else [InternalError])
            assert (upstream.active, upstream.idle, server.open) == (0, 0, 0)
            assert (await fetch(upstream, good.origin)).ended

    asyncio.run(main())


@pytest.mark.parametrize("moment", ["at once", "on_head", "on_data"])
def test_pause_and_resume(run: Run, moment: str) -> None:
    """A paused call gets no more than what was read already; resumed, it gets everything in order."""

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.request()
            await peer.send(STREAM)
            for _ in range(20):
                await peer.send(b"3\r\nabc\r\n")
                await asyncio.sleep(0.002)
            await peer.send(b"0\r\n\r\n")
            await peer.gone()

        class Slow(Recorder):
            def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
                super().on_head(status, headers)
                if moment == "on_head":
                    exchange.pause()

            def on_data(self, data: bytes) -> None:
                super().on_data(data)
                if moment == "on_data":
                    exchange.pause()
                    asyncio.get_running_loop().call_later(0.01, exchange.resume)

        async with serving(script) as server, client() as upstream:
            got, exchange = ask(upstream, server.origin, receiver=Slow())
            if moment == "at once":
                exchange.pause()
            await asyncio.sleep(0.15)
            if moment != "on_data":
                assert len(got.body) <= 4
                exchange.resume()
            await got.wait()
            assert got.body == b"x" + b"abc" * 20

    run(main)


def test_a_call_that_ends_paused_leaves_a_reading_connection(run: Run) -> None:
    """Paused in its last piece, the connection reads again for the next call."""

    async def main() -> None:
        class Stopper(Recorder):
            def on_data(self, data: bytes) -> None:
                super().on_data(data)
                exchange.pause()

        async with serving(answering(OK)) as server, client() as upstream:
            got, exchange = ask(upstream, server.origin, receiver=Stopper())
            await got.wait()
            assert (await fetch(upstream, server.origin)).ended
            assert server.connections == 1

    run(main)


def test_close_with_calls_in_every_phase(run: Run) -> None:
    """`close` tells every receiver, closes every socket, and calls after it fail in the same way."""

    async def main() -> None:
        def saying(sent: bytes) -> Script:
            async def script(peer: Peer) -> None:
                await peer.request()
                await peer.send(sent)
                await peer.gone()

            return script

        with black_hole() as hole:
            before = open_sockets_to(hole.port)
            async with (
                serving(saying(b"")) as mute,
                serving(saying(STREAM)) as streaming,
                serving(answering(OK)) as good,
            ):
                upstream = Upstream(UpstreamOptions())
                assert (await fetch(upstream, good.origin)).ended
                origins = [hole, mute.origin, streaming.origin]
                calls = [ask(upstream, origin)[0] for origin in origins for _ in range(3)]
                await asyncio.sleep(0.1)
                assert (upstream.active, upstream.idle) == (9, 1)
                await upstream.close()
                assert all(isinstance(call.problem, NotReady) for call in calls)
                assert (upstream.active, upstream.idle) == (0, 0)
                await asyncio.sleep(0.05)
                assert (mute.open, streaming.open, good.open) == (0, 0, 0)
                assert before == open_sockets_to(hole.port)
                assert isinstance((await fetch(upstream, good.origin)).problem, NotReady)
                await upstream.close()

    run(main)


def test_ten_megabytes_both_ways(run: Run) -> None:
    """A big request in several pieces and a big answer arrive unchanged."""
    pieces = [bytes([k]) * 1_000_000 for k in range(10)]
    whole = b"".join(pieces)

    async def main() -> None:
        async def script(peer: Peer) -> None:
            for _ in range(2):
                _, body = await peer.request()
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

        async with serving(script) as server, client() as upstream:
            mixed: list[BytesLike] = [memoryview(whole)[:5], msgspec.Raw(whole[5:9]), bytearray(whole[9:])]
            for body in (list[BytesLike](pieces), mixed):
                got = await fetch(upstream, server.origin, body)
                assert got.problem is None
                assert whole == got.body
            assert server.connections == 1

    run(main)


def test_a_slow_reader_blocks_the_provider(run: Run) -> None:
    """While a call is paused its answer stays with the server: the client's memory does not grow."""

    async def main() -> None:
        sent = 0
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                nonlocal sent
                sock, _ = listener.accept()
                with sock:
                    sock.recv(65536)
                    sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
                    try:
                        for _ in range(100):
                            sock.sendall(b"z" * 1_000_000)
                            sent += 1
                    except OSError:
                        pass

            thread = threading.Thread(target=serve)
            thread.start()

            class Slow(Recorder):
                def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
                    super().on_head(status, headers)
                    exchange.pause()

            async with client() as upstream:
                got, exchange = ask(upstream, Origin(*listener.getsockname()), receiver=Slow(), timeouts=PATIENT)
                await got.begun.wait()
                await asyncio.sleep(0.4)
                stuck = sent
                await asyncio.sleep(0.2)
                assert stuck == sent < 20
                assert len(got.body) <= 300_000
                exchange.resume()
                await got.wait()
                assert len(got.body) == 100_000_000
            await asyncio.to_thread(thread.join)

    run(main)
