"""Whether a page is drawn, and what axe finds wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def settled(page: Page) -> None:
    """The page has its heading, and nothing is being loaded."""
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA, in words."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(f"axe.run({{runOnly: {TAGS}}}).then(result => result.violations)")
    return [f"{each['id']}: {node['html'][:160]} {node['failureSummary']}" for each in found for node in each["nodes"]]
