"""From a first look at the pages to a first answer of a model."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from compat.live import ENDPOINT, TOKEN, Live

from .looks import settled, violations

ENDLESS = '{"logit_bias": {"2": -100}}'
"""The real model's token for the end is never drawn: an answer ends by its limit, or because it is stopped."""


def test_first_run_to_first_answer(page: Page, server: Live) -> None:
    """Who starts cloche and pastes the printed token finds the endpoint, and it answers without a word typed."""
    page.goto(server.url)
    page.get_by_label("Access token").fill(TOKEN)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("table", name="Endpoints").get_by_role("link", name=ENDPOINT).click()
    page.get_by_role("button", name="Query", exact=True).click()
    page.get_by_role("button", name="Send").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text(re.compile(r"\w"))
    expect(page.get_by_text("Status 200")).to_be_visible()
    page.get_by_role("tab", name="Python (OpenAI)").click()
    program = page.get_by_label("Program: Python (OpenAI)")
    expect(program).to_contain_text(f'"{ENDPOINT}"')
    assert TOKEN not in page.content()
    page.get_by_role("button", name="Put my token in").click()
    expect(program).to_contain_text(TOKEN)
    assert violations(page) == []


def test_talk_and_stop(signed_in: Page, server: Live) -> None:
    """An answer comes word by word, is stopped, and what was sent can be read; the next one goes to its end."""
    signed_in.goto(f"{server.url}/playground?endpoint={ENDPOINT}")
    settled(signed_in)
    signed_in.get_by_label("Max tokens").fill("2000")
    signed_in.get_by_label("Temperature").fill("0")
    signed_in.get_by_text("More parameters").click()
    signed_in.get_by_label("Other fields").fill(ENDLESS)
    signed_in.get_by_role("textbox", name="Message").fill("Count slowly from one to five hundred.")
    signed_in.keyboard.press("Enter")
    reply = signed_in.get_by_role("article", name=ENDPOINT).last
    expect(reply.locator(".markdown")).to_contain_text(re.compile(r"\w"))
    signed_in.keyboard.press("Escape")
    expect(reply.get_by_text("Stopped")).to_be_visible()
    reply.get_by_role("button", name="What was sent").click()
    drawer = signed_in.get_by_role("dialog", name="One call")
    expect(drawer).to_contain_text("Count slowly")
    assert violations(signed_in) == []
    signed_in.keyboard.press("Escape")
    signed_in.get_by_label("Max tokens").fill("8")
    reply.get_by_role("button", name="Answer again").click()
    expect(signed_in.get_by_text("The answer was cut at the limit of tokens.")).to_be_visible()
    expect(signed_in.get_by_role("img", name="2 of 2")).to_be_visible()
    assert violations(signed_in) == []
