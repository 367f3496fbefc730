"""Generated parts of the documents say what the code says now."""

from __future__ import annotations

import runpy

from .pages import ROOT


def test_generated_parts_are_current() -> None:
    """`make docs` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    stale = [str(page) for page, text in pages.items() if page.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`"
    generated = {"cli.md", "compatibility.md", "configuration.md", "endpoints.md", "errors.md"}
    generated |= {"providers/index.md", "providers/openai-shaped.md"}
    assert {page.relative_to(ROOT / "docs").as_posix() for page in pages} == generated


def test_terminal_picture_is_current() -> None:
    """The picture shows the recorded session, line for line."""
    drawn = runpy.run_path(str(ROOT / "docs" / "terminal.py"))["picture"]()
    assert (ROOT / "docs" / "images" / "terminal.svg").read_text(encoding="utf-8") == drawn, (
        "run `python docs/terminal.py`"
    )
