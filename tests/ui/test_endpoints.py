"""An endpoint's life in a browser: made, asked, changed, rolled back, limited, guarded, and kept from others."""

from __future__ import annotations

import re
import secrets as dice

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from compat.live import Live, chat, invocations
from compat.provider import Provider
from compat.strangers import Stranger

from .conftest import Watch, token_script
from .looks import settled, violations
from .seeds import counted, external


def ask(page: Page) -> None:
    """Send the example of the query box."""
    page.get_by_role("tab", name="Query", exact=True).click()
    page.get_by_role("button", name="Send").click()


def test_made_asked_changed_and_rolled_back(signed_in: Page, server: Live, provider: Provider) -> None:
    """The wizard keeps what is typed while one looks elsewhere, takes a secret made in place, checks and creates; form
    and JSON change it; a rollback undoes it."""
    page, name, key = signed_in, f"bot-{dice.token_hex(4)}", f"sk-{dice.token_hex(16)}"
    page.goto(f"{server.url}/endpoints?new=1")
    page.get_by_role("button", name="OpenAI", exact=False).first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("link", name="Tokens").click()
    expect(page.get_by_role("heading", name="Tokens", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_text("What you had typed is here again.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value(name)
    page.get_by_role("textbox", name="Model").fill("echo")
    page.get_by_role("group", name="API key").get_by_role("button", name="Secret", exact=True).first.click()
    page.get_by_role("button", name="New secret").first.click()
    dialog = page.get_by_role("dialog", name="New secret")
    dialog.get_by_label("Scope").fill(f"keys-{dice.token_hex(4)}")
    dialog.get_by_label("Value").fill(key)
    assert violations(page) == []
    dialog.get_by_role("button", name="New secret").click()
    page.get_by_label("API base").fill(provider.url)
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_text("Everything is in order.")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    ask(page)
    expect(page.get_by_role("region", name="Answer")).to_contain_text("glass cloche")
    assert key not in page.content()

    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox", name="Model").fill("parrot")
    page.get_by_role("button", name="JSON").click()
    text = page.get_by_role("textbox", name="Configuration as JSON")
    text.fill(text.input_value().replace('"parrot"', '"wordy"'))
    page.get_by_role("button", name="Check", exact=True).click()
    change = page.get_by_role("region", name="What will change")
    expect(change).to_contain_text('"name": "echo"')
    expect(change).to_contain_text('"name": "wordy"')
    assert violations(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    ask(page)
    expect(page.get_by_role("region", name="Answer")).to_contain_text("Glass bell.")

    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Compare").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("region")).to_contain_text('"name": "echo"')
    assert violations(page) == []
    dialog.get_by_role("button", name="Roll back to version 1").click()
    expect(dialog).to_have_count(0)
    ask(page)
    expect(page.get_by_role("region", name="Answer")).to_contain_text("glass cloche")


def test_limits_say_when_to_come_back(signed_in: Page, watch: Watch, server: Live, provider: Provider) -> None:
    """A limit set on the page holds, and who is over it reads that, and when to try again."""
    watch.expected.append("429")
    name = external(server, provider, "wordy")
    signed_in.goto(f"{server.url}/endpoints/{name}?tab=gateway")
    signed_in.get_by_role("button", name="Add limit").click()
    signed_in.get_by_label("Calls/min").fill("1")
    assert violations(signed_in) == []
    signed_in.get_by_role("button", name="Save", exact=True).click()
    expect(signed_in.get_by_text("The rules are in force.")).to_be_visible()
    ask(signed_in)
    expect(signed_in.get_by_text("Status 200")).to_be_visible()
    for _ in range(3):  # a minute may end between two calls
        signed_in.get_by_role("button", name="Send").click()
        expect(signed_in.get_by_text(re.compile(r"Status \d"))).to_be_visible()
        if signed_in.get_by_text("Status 429").count():
            break
    expect(signed_in.get_by_role("alert").filter(has_text="Too many calls: try again in")).to_be_visible()


def test_a_guardrail_masks(signed_in: Page, server: Live, provider: Provider) -> None:
    """The bench shows what a rule would do before it is saved; once it is saved, the model gets no address."""
    name = external(server, provider, "echo")
    signed_in.goto(f"{server.url}/endpoints/{name}?tab=gateway")
    signed_in.get_by_role("button", name="Personal data").first.click()
    signed_in.get_by_role("option", name="Mask").click()
    signed_in.get_by_role("textbox", name="Text to try").fill("Write to jo@example.com today")
    signed_in.get_by_role("button", name="Try the rules").click()
    outcome = signed_in.get_by_role("status").filter(has_text="Masked")
    expect(outcome).to_contain_text("jo@example.com")
    assert violations(signed_in) == []
    signed_in.get_by_role("button", name="Save", exact=True).click()
    expect(signed_in.get_by_text("The rules are in force.")).to_be_visible()
    signed_in.goto(f"{server.url}/playground?endpoint={name}")
    signed_in.get_by_role("textbox", name="Message").fill("Write to jo@example.com today")
    signed_in.keyboard.press("Enter")
    reply = signed_in.get_by_role("article", name=name)
    expect(reply).to_contain_text("Write to")
    expect(reply).not_to_contain_text("jo@example.com")


def test_permissions_deny_and_explain(
    signed_in: Page, watch: Watch, context: BrowserContext, server: Live, provider: Provider
) -> None:
    """The explainer says no; once the level is given it says yes and through what, and the call works."""
    name, stranger = external(server, provider, "wordy"), Stranger.of(server)
    signed_in.goto(f"{server.url}/endpoints/{name}?tab=permissions")
    why = signed_in.locator("section").filter(has=signed_in.get_by_role("heading", name="Why can somebody do this?"))
    why.get_by_label("Name").fill(stranger.name)
    why.get_by_role("button", name="Explain").click()
    expect(why.get_by_text("– no")).to_be_visible()
    assert server.request("POST", invocations(name), chat(), token=stranger.token).status == 403
    give = signed_in.locator("section").filter(has=signed_in.get_by_role("heading", name="Give a permission"))
    give.get_by_role("button", name="Kind").click()
    signed_in.get_by_role("option", name="Service principal").click()
    give.get_by_label("Name").fill(stranger.name)
    give.get_by_role("button", name="Level").click()
    signed_in.get_by_role("option", name="Can query").click()
    give.get_by_role("button", name="Give", exact=True).click()
    expect(signed_in.get_by_text("has the permission.")).to_be_visible()
    why.get_by_role("button", name="Level", exact=False).or_(why.get_by_role("button", name="Wants to")).first.click()
    signed_in.get_by_role("option", name="Can view").click()
    why.get_by_role("button", name="Explain").click()
    expect(why.get_by_text("– yes")).to_be_visible()
    expect(why.get_by_text("given directly")).to_be_visible()
    assert violations(signed_in) == []
    other = context.new_page()
    other.add_init_script(token_script(stranger.token))
    other.goto(f"{server.url}/endpoints/{name}?tab=query")
    other.get_by_role("button", name="Send").click()
    expect(other.get_by_text("Status 200")).to_be_visible()
    expect(other.get_by_role("button", name="Edit", exact=True)).to_have_count(0)


@pytest.mark.parametrize("tab", ["metrics", "logs", "usage", "history"])
def test_every_tab(signed_in: Page, server: Live, provider: Provider, tab: str) -> None:
    """The other tabs of an endpoint that has been called have no fault either."""
    name = external(server, provider, "wordy")
    assert server.ask(name).status == 200
    counted(server, name)
    signed_in.goto(f"{server.url}/endpoints/{name}?tab={tab}")
    settled(signed_in)
    expect(signed_in.get_by_role("tabpanel")).to_be_visible()
    assert violations(signed_in) == []
