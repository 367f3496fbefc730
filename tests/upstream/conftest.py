"""Runs a test's coroutine on both event loops that cloche may run on, and fails it for errors nobody caught."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

Main = Callable[[], Coroutine[Any, Any, None]]
Run = Callable[[Main], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Call it with a coroutine function."""

    def run_it(main: Main) -> None:
        unheard: list[dict[str, Any]] = []

        async def watched() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: unheard.append(context))
            await asyncio.wait_for(main(), 60)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(watched())
        assert not unheard

    return run_it
