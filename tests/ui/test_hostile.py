"""Nothing that a model, a provider or another user writes can run, call another host, lead elsewhere or pose as
the page.

The watch of every page also fails for what the content security policy had to stop: it is the second
wall, not the first.
"""

from __future__ import annotations

import csv
import secrets as dice

from playwright.sync_api import Page, expect

from compat.live import Live, chat, invocations
from compat.provider import Provider

from .conftest import Watch
from .hostile import FORMULAS, HARMLESS, PAYLOADS
from .looks import settled
from .seeds import counted, external

ANSWERS = "count => document.querySelectorAll('.playground-turn.assistant .query-figures').length === count"


def at_home(page: Page, server: Live) -> None:
    """The page is still the page."""
    assert page.evaluate(HARMLESS) == []
    assert page.url.startswith(f"{server.url}/")
    expect(page.locator("main h1")).to_have_count(1)


def test_answers_of_a_model(signed_in: Page, server: Live, provider: Provider) -> None:
    """Every payload, said by a model in an answer of its own, is shown without harm, and so are its links pressed."""
    page, name = signed_in, external(server, provider, "parrot")
    page.goto(f"{server.url}/playground?endpoint={name}&settings=0")
    settled(page)
    page.get_by_role("textbox", name="Message").focus()
    for count, payload in enumerate(PAYLOADS, 1):
        page.keyboard.insert_text(payload)
        page.keyboard.press("Enter")
        page.wait_for_function(ANSWERS, arg=count)
    page.evaluate("document.querySelectorAll('.markdown').forEach(each => each.scrollIntoView())")
    at_home(page, server)
    for link in page.get_by_text("click", exact=True).all():
        link.dispatch_event("click")
    page.get_by_role("button", name="What was sent").last.click()
    expect(page.get_by_role("dialog", name="One call")).to_be_visible()
    at_home(page, server)


def test_refusals_of_a_provider(signed_in: Page, watch: Watch, server: Live, provider: Provider) -> None:
    """What a provider writes into an error is shown as it is written."""
    watch.expected.append("400")
    name = external(server, provider, "scold")
    payload = "<img src=x onerror='window.harmed=1'>"
    signed_in.goto(f"{server.url}/playground?endpoint={name}&settings=0")
    signed_in.get_by_role("textbox", name="Message").fill(payload)
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("alert")).to_contain_text(payload)
    at_home(signed_in, server)


def test_what_other_people_write(signed_in: Page, server: Live, provider: Provider) -> None:
    """Descriptions, tags, comments, groups and ids of calls are shown letter by letter on every page that has them."""
    page, mark = signed_in, dice.token_hex(4)
    payload = f"<img src=x onerror='window.harmed=1'>{mark}"
    tags = [{"key": f"tag {mark}", "value": payload}]
    name = external(server, provider, "parrot", description=payload, tags=tags)
    assert server.request("POST", "/api/2.0/token/create", {"comment": payload}).status == 200
    assert server.request("POST", "/api/2.0/preview/scim/v2/Groups", {"displayName": payload}).status == 201
    assert server.request("POST", invocations(name), chat(client_request_id=payload)).status == 200
    counted(server, name)
    for path in (f"/endpoints/{name}", f"/?q={name}", "/tokens", "/people?tab=groups", f"/audit?target={name}"):
        page.goto(f"{server.url}{path}")
        settled(page)
        at_home(page, server)
    page.goto(f"{server.url}/endpoints/{name}")
    expect(page.get_by_text(payload).first).to_be_visible()
    page.goto(f"{server.url}/tokens")
    expect(page.get_by_text(payload).first).to_be_visible()
    page.goto(f"{server.url}/audit?target={name}")
    page.get_by_role("row", name="endpoint").get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(mark)
    at_home(page, server)
    page.goto(f"{server.url}/calls?endpoint={name}")
    page.get_by_role("table", name="Calls").locator("tbody tr").first.get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(payload)
    at_home(page, server)


def test_spreadsheets(signed_in: Page, server: Live, provider: Provider) -> None:
    """An exported log has no formula in it, whatever clients called their calls."""
    name = external(server, provider, "parrot")
    for formula in FORMULAS:
        assert server.request("POST", invocations(name), chat(client_request_id=formula)).status == 200
    counted(server, name, len(FORMULAS))
    signed_in.goto(f"{server.url}/calls?endpoint={name}")
    expect(signed_in.get_by_role("table", name="Calls").locator("tbody tr")).to_have_count(len(FORMULAS))
    signed_in.get_by_role("button", name="Export").click()
    with signed_in.expect_download() as download:
        signed_in.get_by_role("menuitem", name="As CSV").click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert sum(cell.startswith("'") for cell in cells) == len(FORMULAS)
    assert [cell for cell in cells if cell[:1] in tuple("=+-@\t")] == []
