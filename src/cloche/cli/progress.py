"""What a pull tells the person who waits for it: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloche.cli import output
from cloche.engine.progress import Phase, Progress

LINE_SECONDS = 5.0


@contextmanager
def shown() -> Iterator[Progress]:
    """What to tell the progress to.  Nothing is drawn before the first word, nor after a pull is done."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Bar()
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """A progress bar on standard error."""

    def __init__(self) -> None:
        self.close: Callable[[], None] = lambda: None
        self._draw: Progress | None = None

    def __call__(self, done: int, total: int | None, phase: Phase) -> None:
        if phase is Phase.CACHED:
            return
        if self._draw is None:
            self._draw = self._open()
        self._draw(done, total, phase)
        if phase is Phase.DONE:
            self.close()
            self._draw = None

    def _open(self) -> Progress:
        # Late, because it is slow to import and most runs draw nothing.
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Drawing

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        drawing = Drawing(*columns, console=Console(stderr=True))
        task = drawing.add_task("", total=None)
        drawing.start()
        self.close = drawing.stop
        return lambda done, total, phase: drawing.update(
            task, completed=done, total=total, description=phase.value, refresh=True
        )


class Lines:
    """A line when the phase changes, and every few seconds within one."""

    def __init__(self) -> None:
        self._phase: Phase | None = None
        self._told_at = 0.0

    def __call__(self, done: int, total: int | None, phase: Phase) -> None:
        now = time.monotonic()
        if phase is self._phase and now - self._told_at < LINE_SECONDS:
            return
        self._phase, self._told_at = phase, now
        of = f" of {output.size(total)}" if total else ""
        output.note(f"{phase.value} {output.size(done)}{of}" if done else phase.value)
