"""A worker: a process that serves and has nothing else.  `python -m cloche.bootstrap.worker`, started by workers.py.

The host hands over settings and keys on standard input; engines are reached through the host, the database directly.
A worker whose host is gone takes no more calls, finishes those that run, and ends.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

import msgspec

from cloche.bootstrap import handover
from cloche.bootstrap.channel import Line
from cloche.bootstrap.host_link import HostLink
from cloche.bootstrap.outage import come_up
from cloche.bootstrap.plan import Plan, make_plan
from cloche.bootstrap.serving import Serving
from cloche.bootstrap.start import run_in_loop
from cloche.control.master_key import follow_file
from cloche.gateway.local_model import engine_timeouts
from cloche.settings import Settings
from cloche.store.database import Store
from cloche.telemetry import setup_logging

log = logging.getLogger("cloche")


def main() -> None:
    """Serve until a signal comes or the host is gone."""
    received = handover.decode(sys.stdin.buffer.read())
    given = received.handover
    setup_logging(given.settings.log_format, sys.stderr.buffer)
    store = Store.unreached(given.settings.home, given.master_keys, given.sealed_token_key, given.settings.database_url)
    follow_file(store, given.settings)
    plan = make_plan(_without_declarations(given.settings))
    listener, channel = socket.socket(fileno=received.listener), socket.socket(fileno=received.channel)
    try:
        run_in_loop(lambda: _serve(plan, store, listener, channel))
    finally:
        store.close()


def _without_declarations(settings: Settings) -> Settings:
    """What was declared for this start is the host's to apply; a file that has changed since must not matter."""
    return msgspec.structs.replace(settings, config=None, endpoints=(), default_endpoint=False)


async def _serve(plan: Plan, store: Store, listener: socket.socket, channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    link = HostLink(await Line.on(channel), engine_timeouts(plan.engine), plan.settings.max_tokens_default)
    serving = Serving(plan, store, link.models)

    def recompile() -> None:
        loop.run_in_executor(None, serving.publisher.recompile)

    async def accepting() -> None:
        link.accepting()

    serving.publisher.published.append(lambda snapshot: link.published(snapshot.revision))
    listening = asyncio.create_task(link.listen(serving.figures, serving.totals, recompile))
    listening.add_done_callback(_end)
    telling = asyncio.create_task(link.tell_figures(serving.figures, serving.totals))
    try:
        await link.told.wait()
        await asyncio.to_thread(come_up, serving.publisher, plan.settings)
        async with serving.following():
            await serving.run(listener, accepting)
    finally:
        listening.remove_done_callback(_end)
        for task in (listening, telling):
            task.cancel()
        await asyncio.gather(listening, telling, return_exceptions=True)


def _end(listening: asyncio.Task[None]) -> None:
    """The host is gone: end as after a signal."""
    if not listening.cancelled() and listening.exception() is not None:
        log.error("the host said what a worker does not understand", exc_info=listening.exception())
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    main()
