"""Whether a page is drawn, and what axe finds wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
HOW = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # that a rule is kept need not be told for every element
    "preload": False,  # there are no style sheets or films of other hosts
}
DRAWN = "() => document.querySelector('h1')?.checkVisibility() && !document.querySelector('.skeleton')"


def settled(page: Page) -> None:
    """The page has its heading, and nothing is being loaded.  Asked at every frame: `expect` looks once in a second."""
    page.wait_for_function(DRAWN)


def lead(page: Page, path: str) -> None:
    """To another page as a link inside of the pages leads there, which does not load everything anew."""
    page.evaluate("path => (history.pushState(null, '', path), dispatchEvent(new PopStateEvent('popstate')))", path)


def moved(page: Page, path: str) -> None:
    """A page with another title is drawn, after `lead`."""
    before = page.title()
    lead(page, path)
    page.wait_for_function("before => document.title !== before", arg=before)
    settled(page)


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA, in words."""
    if page.evaluate("!window.axe"):
        page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(f"axe.run({json.dumps(HOW)}).then(result => result.violations)")
    return [f"{each['id']}: {node['html'][:160]} {node['failureSummary']}" for each in found for node in each["nodes"]]
