"""Generated parts of the documents say what the code says now."""

from __future__ import annotations

import re
import runpy

import pytest

from cloche.providers.catalogue import PROVIDERS
from cloche.providers.compatible import SERVICES
from cloche.providers.mapping import finishes

from .pages import ROOT

PAGES = sorted({kind.profile.page for kind in PROVIDERS.values()})


def test_generated_parts_are_current() -> None:
    """`make docs` would change nothing."""
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    stale = [str(page) for page, text in pages.items() if page.read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`"
    generated = {"cli.md", "compatibility.md", "configuration.md", "endpoints.md", "errors.md"}
    generated |= {"providers/index.md", *(f"providers/{page}.md" for page in PAGES)}
    assert {page.relative_to(ROOT / "docs").as_posix() for page in pages} == generated


@pytest.mark.parametrize("page", PAGES)
def test_every_provider_has_a_page(page: str) -> None:
    """It tells of the settings and the fate of each field, and of reasons to end where the provider has its own."""
    text = (ROOT / "docs" / "providers" / f"{page}.md").read_text(encoding="utf-8")
    told = re.findall("<!-- generated: provider-([^>]+) -->", text)
    mapped = [name for part in told for name in part.split()[1:] if part.startswith("mapping")]
    for name, kind in PROVIDERS.items():
        if kind.profile.page == page and kind.profile.examples:
            assert name in mapped
            if name not in SERVICES:  # whose settings and reasons are a table of their own
                assert f"settings {name}" in told
                assert f"finishes {name}" in told or not finishes(kind.profile.examples)


def test_terminal_picture_is_current() -> None:
    """The picture shows the recorded session, line for line."""
    drawn = runpy.run_path(str(ROOT / "docs" / "terminal.py"))["picture"]()
    assert (ROOT / "docs" / "images" / "terminal.svg").read_text(encoding="utf-8") == drawn, (
        "run `python docs/terminal.py`"
    )
