"""What holds on every page: it can be used by everybody, in both languages and themes, on a phone, and calls nobody."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from compat.live import ENDPOINT, TOKEN, Live

from .looks import moved, settled, violations

PAGES = (
    "/",
    f"/endpoints/{ENDPOINT}",
    "/playground",
    "/calls",
    "/usage",
    "/budgets",
    "/models",
    "/tokens",
    "/secrets",
    "/people",
    "/audit",
    "/status",
)
LOOKS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "dark, Japanese": {"locale": "ja-JP", "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}},
}


@pytest.fixture(params=LOOKS.values(), ids=list(LOOKS))
def browser_context_args(browser_context_args: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each look in turn."""
    look: dict[str, Any] = request.param
    return browser_context_args | look


def test_every_page(signed_in: Page, server: Live) -> None:
    """Axe finds nothing, nothing is wider than the window, the title names the page, and nothing fails."""
    faults = []
    titles = set()
    signed_in.goto(f"{server.url}{PAGES[-1]}")
    settled(signed_in)
    for path in PAGES:
        moved(signed_in, path)
        titles.add(signed_in.title())
        faults += [f"{path}: {each}" for each in violations(signed_in)]
        if signed_in.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"{path}: is wider than the window")
    assert faults == []
    assert len(titles) == len(PAGES)


def test_sign_in_page(page: Page, server: Live) -> None:
    """So does the page before all others."""
    page.goto(server.url)
    settled(page)
    assert violations(page) == []


def test_language_and_theme_are_remembered(page: Page, context: BrowserContext, server: Live) -> None:
    """Whoever chooses a language and a theme finds them again."""
    page.goto(server.url)
    expect(page.locator("h1")).to_be_visible()
    other = "en" if page.locator("html").get_attribute("lang") == "ja" else "ja"
    page.evaluate("language => localStorage.setItem('cloche.language', language)", other)
    page.reload()
    expect(page.locator(f"html[lang={other}]")).to_have_count(1)
    assert TOKEN not in page.content()
