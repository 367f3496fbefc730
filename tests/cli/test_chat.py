"""`cloche chat` on a real terminal (a pty) and in a pipe."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from .conftest import TOKEN, Run, Stage

# The terminal must be the controlling one, so that ctrl-C becomes SIGINT.
TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
ON_TERMINAL = [sys.executable, "-c", TAKE_TERMINAL + "from cloche.cli.main import main; main()"]


class Terminal:
    """The command on a pty, and what it has written."""

    def __init__(self, environ: dict[str, str], *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.written = ""
        self.process = subprocess.Popen(
            [*ON_TERMINAL, "chat", *arguments],
            env=environ | {"TERM": "dumb"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def see(self, words: str, seconds: float = 20) -> str:
        """Wait until the words have been written; what came up to them, from the last sight on."""
        deadline = time.monotonic() + seconds
        while words not in self.written:
            assert time.monotonic() < deadline, f"{words!r} never came, but {self.written!r}"
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    self.written += os.read(self._master, 4096).decode(errors="replace")
                except OSError:  # the other side has closed
                    assert words in self.written, f"{words!r} never came, but {self.written!r}"
        before, _, self.written = self.written.partition(words)
        return before

    def close(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(stage: Stage, environ: dict[str, str]) -> Iterator[Terminal]:
    """A chat with the stage's only endpoint."""
    opened = Terminal(environ | {"CLOCHE_URL": stage.url, "CLOCHE_TOKEN": TOKEN}, "--system", "Be brief.")
    yield opened
    opened.close()


def chats(stage: Stage) -> list[list[tuple[str, str]]]:
    """Role and content of the messages of each chat request."""
    return [
        [(message["role"], message["content"]) for message in body["messages"]]
        for method, _, body in stage.asked
        if method == "POST"
    ]


def test_a_conversation_remembers_and_forgets(terminal: Terminal, stage: Stage) -> None:
    """Each turn sends what was said before; /reset forgets all but the system message; /quit leaves with 0."""
    terminal.see("> ")
    terminal.type("one\n")
    assert "\x1b[31m" not in terminal.see("bell[31m.")
    terminal.see("> ")
    terminal.type("two\n")
    terminal.see("bell")
    terminal.see("> ")
    terminal.type("/reset\n")
    terminal.see("> ")
    terminal.type("three\n")
    terminal.see("bell")
    terminal.see("> ")
    terminal.type("/quit\n")
    assert terminal.process.wait(timeout=10) == 0
    system, said = ("system", "Be brief."), ("assistant", "Glass bell\x1b[31m.")
    assert chats(stage) == [
        [system, ("user", "one")],
        [system, ("user", "one"), said, ("user", "two")],
        [system, ("user", "three")],
    ]


def test_ctrl_c_stops_the_answer_and_then_leaves(terminal: Terminal, stage: Stage) -> None:
    """Ctrl-C during an answer hangs up and comes back to the prompt; at the prompt it leaves with 0."""
    stage.mode = "endless"
    terminal.see("> ")
    terminal.type("go on\n")
    terminal.see("and on and on")
    terminal.type("\x03")
    terminal.see("(stopped)")
    assert stage.hung_up.wait(5)
    terminal.see("> ")
    terminal.type("\x03")
    assert terminal.process.wait(timeout=10) == 0


def test_ctrl_d_leaves(terminal: Terminal) -> None:
    """End of input at the prompt leaves with 0."""
    terminal.see("> ")
    terminal.type("\x04")
    assert terminal.process.wait(timeout=10) == 0


def test_a_failed_turn_does_not_end_the_conversation(terminal: Terminal, stage: Stage) -> None:
    """An answer that breaks off is told, and the failed turn is not remembered."""
    stage.mode = "error"
    terminal.see("> ")
    terminal.type("one\n")
    terminal.see("the engine died")
    terminal.see("> ")
    stage.mode = "whole"
    terminal.type("two\n")
    terminal.see("bell")
    assert chats(stage)[1] == [("system", "Be brief."), ("user", "two")]


def test_chat_in_a_pipe(run: Run, stage: Stage) -> None:
    """Piped lines are turns; only answers are on standard output; --endpoint and --max-tokens are sent."""
    done = run("chat", "--endpoint", "small", "--max-tokens", "7", stdin="one\n\ntwo\n")
    assert (done.returncode, done.stdout) == (0, "Glass bell\x1b[31m.\n" * 2)
    assert len(chats(stage)) == 2
    assert stage.asked[0][2]["max_tokens"] == 7


def test_chat_with_a_wrong_token_ends(run: Run) -> None:
    """A refused token will not get better by typing on."""
    done = run("chat", "--endpoint", "small", stdin="one\ntwo\n", CLOCHE_TOKEN="wrong")
    assert done.returncode == 3
