"""Waiting for endpoints: until each serves what was asked of it, has failed to, or takes too long."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cloche.cli import output
from cloche.cli.client import Server, endpoint_path
from cloche.cli.exits import Failure

POLL_SECONDS = 0.5
WAIT_SECONDS = 600

NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until the endpoint is ready.")]
Timeout = Annotated[int, typer.Option(min=1, help="Longest wait, in seconds.")]


def wait_until_ready(server: Server, names: Iterable[str], seconds: int, settled: Iterable[str] = ()) -> None:
    """Return when all of these endpoints serve their newest configuration, each told as it becomes ready.

    `settled`: those among them that need no update, so that one that failed earlier is no failure now.
    Raises Failure with a line for each that failed, and for each that is still not ready after `seconds`.
    """
    deadline = time.monotonic() + seconds
    waiting = list(dict.fromkeys(names))
    bygones = set(settled)
    failures: list[str] = []
    while waiting:
        for name in list(waiting):
            endpoint = server.get(endpoint_path(name))
            state = endpoint.get("state") or {}
            if state.get("config_update") == "IN_PROGRESS":
                bygones.discard(name)  # this one is what is waited for
            failed = state.get("config_update") in ("UPDATE_FAILED", "UPDATE_CANCELED")
            if failed and name not in bygones:
                failures.append(f"endpoint '{name}': {_reason(endpoint) or state['config_update']}")
            elif state.get("ready") == "READY" and state.get("config_update") != "IN_PROGRESS":
                output.note(f"ready: {name}")
            elif time.monotonic() < deadline:
                continue
            else:
                failures.append(f"endpoint '{name}' is not ready after {seconds} seconds: {_reason(endpoint)}")
            waiting.remove(name)
        if waiting:
            time.sleep(POLL_SECONDS)
    if failures:
        raise Failure("\n".join(failures))


def _reason(endpoint: dict[str, Any]) -> str:
    """What the entities that cannot serve say of themselves, the pending configuration's before the active one's."""
    for key in ("pending_config", "config"):
        entities = (endpoint.get(key) or {}).get("served_entities") or []
        told = [
            f"{entity.get('name')}: {state.get('deployment_state_message') or state.get('deployment')}"
            for entity in entities
            if (state := entity.get("state") or {}).get("deployment") != "DEPLOYMENT_READY"
        ]
        if told:
            return "; ".join(told)
    return ""
