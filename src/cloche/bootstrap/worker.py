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
from typing import NamedTuple

import msgspec

from cloche.bootstrap import handover
from cloche.bootstrap.channel import Line
from cloche.bootstrap.host_link import HostLink
from cloche.bootstrap.outage import come_up
from cloche.bootstrap.plan import Plan, make_plan
from cloche.bootstrap.serving import Serving
from cloche.bootstrap.start import run_in_loop
from cloche.control.master_key import follow_file
from cloche.gateway.entity_table import EntityTable
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
    table = EntityTable.of_home(given.settings.home, given.settings.workers, received.place)
    try:
        ends = Ends(listener, channel, table)
        run_in_loop(lambda: _serve(plan, store, ends, received.place))
    finally:
        table.close()
        store.close()


def _without_declarations(settings: Settings) -> Settings:
    """What was declared for this start is the host's to apply; a file that has changed since must not matter."""
    return msgspec.structs.replace(settings, config=None, endpoints=(), default_endpoint=False)


class Ends(NamedTuple):
    """What a worker shares with others: the socket that calls come by, its channel to the host, and the table of served
    entities."""

    listener: socket.socket
    channel: socket.socket
    table: EntityTable


async def _serve(plan: Plan, store: Store, ends: Ends, place: int) -> None:
    loop = asyncio.get_running_loop()
    line, max_tokens = await Line.on(ends.channel), plan.settings.max_tokens_default
    link = HostLink(line, engine_timeouts(plan.engine), max_tokens, ends.table)
    serving = Serving(plan, store, link.models, link.lines, place)

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
            await serving.run(ends.listener, accepting)
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
