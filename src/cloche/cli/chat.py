"""`cloche chat`: a conversation in the terminal.  The history lives in memory only."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from cloche.cli import exits, output
from cloche.cli.client import Server
from cloche.cli.exits import Failure
from cloche.cli.options import talks_to_server

HINT = "Ctrl-C stops an answer, /reset starts again, /quit or Ctrl-D leaves."


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chat", epilog='Example: cloche chat --system "Answer in one sentence."')(talks_to_server(chat))


def chat(
    server: Server,
    endpoint: Annotated[str | None, typer.Option(help="Endpoint (default: the first one).", show_default=False)] = None,
    system: Annotated[str | None, typer.Option(help="What the model is told first.", show_default=False)] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in tokens.", show_default=False)
    ] = None,
) -> None:
    """Talk with a model.  Ctrl-C stops the running answer; at the prompt it leaves, as Ctrl-D and /quit do."""
    name = endpoint or first_endpoint(server)
    talk = Conversation(server, name, system, max_tokens)
    if sys.stdin.isatty():
        # Line editing and history for input(); imported here, because importing it sets the terminal up.
        import readline  # noqa: F401

        output.note(f"{name}. {HINT}")
    while (prompt := _next_prompt()) is not None:
        if prompt == "/reset":
            talk.reset()
        elif prompt:
            talk.say(prompt)


def first_endpoint(server: Server) -> str:
    """The name of the first endpoint that the server lists.  Raises Failure where there is none."""
    endpoints = server.get("/api/2.0/serving-endpoints").get("endpoints") or []
    if not endpoints:
        raise Failure("the server has no endpoint to talk to", exits.NOT_FOUND)
    return str(endpoints[0]["name"])


class Conversation:
    """Messages so far, and the endpoint that goes on with them."""

    def __init__(self, server: Server, endpoint: str, system: str | None, max_tokens: int | None) -> None:
        self._server = server
        self._endpoint = endpoint
        self._opening = [] if system is None else [{"role": "system", "content": system}]
        self._limit = {} if max_tokens is None else {"max_tokens": max_tokens}
        self._messages: list[dict[str, Any]] = list(self._opening)

    def reset(self) -> None:
        """Forget all but the system message."""
        self._messages = list(self._opening)

    def say(self, prompt: str) -> None:
        """Send a message and print the answer as it comes.  A failed turn leaves the conversation as it was."""
        turn = [*self._messages, {"role": "user", "content": prompt}]
        answer: list[str] = []
        try:
            reason = self._stream(turn, answer)
        except KeyboardInterrupt:
            reason = "stopped"
        except Failure as failure:
            if failure.code == exits.AUTH:
                raise
            output.note(f"cloche: {failure}")
            return
        output.line("")
        if reason in ("stopped", "length"):
            output.note("(stopped)" if reason == "stopped" else "(the answer reached its token limit)")
        if answer:
            self._messages = [*turn, {"role": "assistant", "content": "".join(answer)}]

    def _stream(self, messages: list[dict[str, Any]], into: list[str]) -> str | None:
        answer = self._server.ask(self._endpoint, {"messages": messages, **self._limit})
        try:
            for piece in answer:
                output.text(piece)
                into.append(piece)
        finally:
            answer.close()
        return answer.finish_reason


def _next_prompt() -> str | None:
    """What the person typed; None when they leave."""
    try:
        typed = input("> " if sys.stdin.isatty() else "").strip()
    except (EOFError, KeyboardInterrupt):
        if sys.stdin.isatty():
            output.line("")
        return None
    return None if typed == "/quit" else typed
