"""A real engine with the real model: it comes up, answers, survives being killed, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import uvloop

from cloche.domain.errors import NotReady
from cloche.engine import probe
from cloche.engine.catalogue import Catalogue, Model
from cloche.engine.journal import Journal
from cloche.engine.options import EngineOptions
from cloche.engine.process import EngineFailed
from cloche.engine.supervisor import Engine, State
from gguf_files import small_model

SMALL = EngineOptions(parallel=2, context_length=512)


@asynccontextmanager
async def running(model: Model, run_dir: Path) -> AsyncIterator[Engine]:
    """A started engine, stopped at the end."""
    engine = Engine(model, SMALL, run_dir, Journal(lambda: 0))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something to come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def chat(engine: Engine) -> bytes:
    """One streamed answer, as it comes over the socket."""
    assert engine.origin.unix_path is not None
    body = b'{"messages":[{"role":"user","content":"Say hi."}],"max_tokens":3,"stream":true,"temperature":0}'
    reader, writer = await asyncio.open_unix_connection(engine.origin.unix_path)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (engine.api_key.encode(), len(body), body)
    )
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.model
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_it_starts_answers_and_leaves_nothing(model: Model, tmp_path: Path, run: Callable[..., None]) -> None:
    """READY means that a streamed chat works; after stop there is no process, no socket and no folder."""

    async def main() -> None:
        engine = Engine(model, SMALL, tmp_path, Journal(lambda: 0))
        with pytest.raises(NotReady):
            engine.check_ready()
        async with running(model, tmp_path) as engine:
            engine.check_ready()
            pid, path = engine.pid, engine.origin.unix_path
            assert pid is not None
            assert path is not None
            assert (engine.context_length, engine.parallel, engine.origin.reuse) == (512, 2, False)
            assert (engine.rss_bytes() or 0) > 50_000_000
            assert await probe.healthy(path, 10)
            answer = await chat(engine)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"text/event-stream" in answer
            assert b'"finish_reason":"length"' in answer
            assert b"data: [DONE]\n\n" in answer
        assert engine.state is State.STOPPED
        assert not alive(pid)
        assert not await probe.healthy(path, 1)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(NotReady, match="shutting down"):
            engine.check_ready()

    run(main())


@pytest.mark.model
def test_the_key_is_for_us_alone(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's arguments and environment hold no key and no secret; the folder is 0700; no key, no answer."""
    monkeypatch.setenv("CLOCHE_ADMIN_TOKEN", "very-secret-indeed")

    async def main() -> None:
        async with running(model, tmp_path) as engine:
            assert engine.origin.unix_path is not None
            for file in ("cmdline", "environ"):
                shown = Path(f"/proc/{engine.pid}/{file}").read_bytes()
                assert engine.api_key.encode() not in shown
                assert b"very-secret-indeed" not in shown
            assert stat.S_IMODE(Path(engine.origin.unix_path).parent.stat().st_mode) == 0o700
            with pytest.raises(ValueError, match="status 401"):
                await probe.generate_one_token(engine.origin.unix_path, "wrong")

    asyncio.run(main())


@pytest.mark.model
@pytest.mark.parametrize("way", ["killed", "stalled"])
def test_it_comes_back(model: Model, tmp_path: Path, way: str) -> None:
    """Killed from outside or reported as hanging: RESTARTING, NotReady with a Retry-After, and then it works again."""

    async def main() -> None:
        async with running(model, tmp_path) as engine:
            first = engine.pid
            assert first is not None
            if way == "killed":
                os.kill(first, signal.SIGKILL)
            else:
                os.kill(first, signal.SIGSTOP)  # it hangs: SIGTERM would not reach it
                engine.stalled()
            await until(lambda: engine.state is State.RESTARTING)
            with pytest.raises(NotReady, match="restarting: killed") as caught:
                engine.check_ready()
            assert caught.value.retry_after is not None
            assert 1 <= caught.value.retry_after <= 60
            await until(lambda: engine.state is State.READY)
            assert engine.pid != first
            assert not alive(first)
            assert b"data: [DONE]" in await chat(engine)

    asyncio.run(main())


@pytest.mark.model
def test_one_call_without_an_answer_does_not_kill_a_healthy_engine(model: Model, tmp_path: Path) -> None:
    """An engine that answers a health check goes on, so that one call's time-out does not end the others."""

    async def main() -> None:
        async with running(model, tmp_path) as engine:
            first = engine.pid
            for _ in range(2):
                engine.stalled()
                await asyncio.sleep(0.5)
                assert (engine.state, engine.pid) == (State.READY, first)
            assert b"data: [DONE]" in await chat(engine)

    asyncio.run(main())


@pytest.mark.model
def test_it_can_be_stopped_amid_a_restart(model: Model, tmp_path: Path) -> None:
    """Whatever the supervisor was doing, no process is left."""

    async def main() -> None:
        for pause in (0.0, 0.7):  # waiting to restart; loading again
            async with running(model, tmp_path) as engine:
                assert engine.pid is not None
                os.kill(engine.pid, signal.SIGKILL)
                await until(lambda engine=engine: engine.state is State.RESTARTING)  # type: ignore[misc]
                await asyncio.sleep(pause)
            assert list(tmp_path.iterdir()) == []
        assert children() == []

    asyncio.run(main())


def children() -> list[int]:
    """The engines that are children of this process."""
    command = ["pgrep", "-P", str(os.getpid()), "-f", "cloche.engine.child"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # status 1: there is none
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.model
def test_it_dies_with_its_parent(model: Model, tmp_path: Path) -> None:
    """A gateway that is killed with SIGKILL leaves no engine behind."""
    program = """
        import asyncio, sys, msgspec
        from pathlib import Path
        from cloche.engine.catalogue import Model
        from cloche.engine.journal import Journal
        from cloche.engine.options import EngineOptions
        from cloche.engine.supervisor import Engine
        async def main():
            model = msgspec.json.decode(sys.argv[1], type=Model)
            options = EngineOptions(parallel=1, context_length=512)
            engine = Engine(model, options, Path(sys.argv[2]), Journal(lambda: 0))
            await engine.start()
            print(engine.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    arguments = [msgspec.json.encode(model).decode(), str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    deadline = time.monotonic() + 2
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_model_that_does_not_load_says_so(tmp_path: Path) -> None:
    """A head without weights: start raises with the engine's reason, and nothing is left."""
    path = tmp_path / "file.gguf"
    path.write_bytes(small_model())
    model = Catalogue(tmp_path / "models").add(path, "hollow")

    async def main() -> None:
        engine = Engine(model, SMALL, tmp_path / "run", Journal(lambda: 0))
        with pytest.raises(EngineFailed, match="The engine for hollow did not start: RuntimeError"):
            await engine.start()
        assert engine.state is State.FAILED
        with pytest.raises(NotReady, match="has failed and will not come back by itself: it did not start"):
            engine.check_ready()
        await engine.stop()

    asyncio.run(main())
    assert list((tmp_path / "run").iterdir()) == []
    assert children() == []


@pytest.mark.model
def test_a_crash_loop_is_given_up(model: Model, tmp_path: Path) -> None:
    """Weights that vanish: it tries again and again, then FAILED, and calls are told that waiting does not help."""
    copy = tmp_path / "model.gguf"
    os.link(model.path, copy)
    moved = msgspec.structs.replace(model, path=str(copy))

    async def main() -> None:
        async with running(moved, tmp_path / "run") as engine:
            assert engine.pid is not None
            copy.unlink()
            for _ in range(6):  # six crashes within the five minutes, so that the next two are the last
                engine._restarts._crashes.append(time.monotonic())
            os.kill(engine.pid, signal.SIGKILL)
            await until(lambda: engine.state is State.FAILED)
            assert engine.pid is None
            with pytest.raises(NotReady, match="too many crashes"):
                engine.check_ready()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("trained", "wanted", "expected"), [(8192, None, 4096), (131072, None, 4096), (2048, 4096, 2048), (0, None, 4096)]
)
def test_the_context_is_bounded(trained: int, wanted: int | None, expected: int) -> None:
    """Never more than the model was trained on, and by default never more than 4096 tokens."""
    assert EngineOptions(context_length=wanted).context_for(trained) == expected
