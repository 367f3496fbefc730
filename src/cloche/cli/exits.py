"""How commands end: the exit codes, and the one exception that carries a message for people and a code.

0    done
1    the server or something else failed
2    the command was used wrongly, or a setting is wrong
3    the token is missing, unknown or may not do this
4    the named thing does not exist
5    no server could be reached
130  interrupted from the keyboard (Typer sees to that)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloche.domain.errors import NotFound, Problem

ERROR = 1
USAGE = 2
AUTH = 3
NOT_FOUND = 4
CONNECT = 5


class Failure(Exception):
    """A command that cannot go on.  The text is shown after `cloche: `."""

    def __init__(self, message: str, code: int = ERROR) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def problems_as_failures() -> Iterator[None]:
    """Let what the code below says to callers be said to the person at the terminal."""
    try:
        yield
    except NotFound as problem:
        raise Failure(problem.message, NOT_FOUND) from problem
    except Problem as problem:
        raise Failure(problem.message) from problem
