"""What lies over a page: the palette, the keys, and dialogs that many pages have."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from compat.live import ENDPOINT, Live

from .looks import settled, violations


def test_what_opens_over_a_page(signed_in: Page, server: Live) -> None:
    """The palette leads to an endpoint by a few letters; axe finds nothing in what lies over a page."""
    signed_in.goto(f"{server.url}/playground?endpoint={ENDPOINT}")
    settled(signed_in)
    signed_in.get_by_role("button", name="Get code").click()
    expect(signed_in.get_by_role("dialog").get_by_role("tab", name="curl")).to_be_visible()
    assert violations(signed_in) == []
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("Escape")
    signed_in.locator("h1").click()
    signed_in.keyboard.press("?")
    expect(signed_in.get_by_role("dialog")).to_be_visible()
    assert violations(signed_in) == []
    signed_in.keyboard.press("Escape")
    signed_in.keyboard.press("Control+k")
    signed_in.keyboard.type("bedrock")
    expect(signed_in.get_by_role("option", name=ENDPOINT).first).to_be_visible()
    assert violations(signed_in) == []
    signed_in.keyboard.press("Enter")
    expect(signed_in).to_have_url(re.compile(f"/endpoints/{ENDPOINT}"))
