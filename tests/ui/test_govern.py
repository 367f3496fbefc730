"""Signing in, tokens, secrets, people and the audit log, as somebody does it in a browser."""

from __future__ import annotations

import re
import secrets as dice

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from compat.live import TOKEN, Live

from .conftest import Watch, token_script


def test_sign_in(page: Page, watch: Watch, server: Live) -> None:
    """A wrong token is refused with advice, a right one leads to where one wanted to go, and it is in no address and in
    no storage that outlives the tab."""
    watch.expected.append("401")
    page.goto(f"{server.url}/tokens?whose=everybody")
    page.get_by_label("Access token").fill("dapi00000000000000000000000000000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("does not know this token")).to_be_visible()
    page.get_by_label("Access token").fill(TOKEN)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Tokens", level=1)).to_be_visible()
    assert page.url == f"{server.url}/tokens?whose=everybody"
    assert TOKEN not in page.evaluate("JSON.stringify(localStorage)")
    assert TOKEN not in page.content()


def test_a_token_is_made_used_and_revoked(signed_in: Page, server: Live) -> None:
    """The value is told once and works; revoked, it does not."""
    comment = f"robot {dice.token_hex(4)}"
    signed_in.goto(f"{server.url}/tokens")
    signed_in.get_by_role("button", name="Create a token").first.click()
    signed_in.get_by_label("Comment").fill(comment)
    signed_in.get_by_role("button", name="Create", exact=True).click()
    value = signed_in.get_by_role("group", name="Your new token").inner_text()
    assert re.fullmatch(r"dapi[0-9a-f]{32}", value)
    assert server.request("GET", "/api/2.0/token/list", token=value).status == 200
    signed_in.get_by_role("button", name="I have copied it").click()
    expect(signed_in.get_by_role("group", name="Your new token")).to_have_count(0)
    assert value not in signed_in.content()
    signed_in.get_by_role("row", name=comment).get_by_role("button", name="Revoke").click()
    signed_in.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(signed_in.get_by_text(comment)).to_have_count(0)
    assert server.request("GET", "/api/2.0/token/list", token=value).status == 401


def test_a_secret_is_put_and_never_shown(signed_in: Page, server: Live) -> None:
    """A scope is made, a secret put into it; its reference is shown and its value is nowhere; deleting asks by name."""
    scope, value = f"scope-{dice.token_hex(4)}", f"sk-{dice.token_hex(16)}"
    signed_in.goto(f"{server.url}/secrets")
    signed_in.get_by_role("button", name="Create a scope").first.click()
    signed_in.get_by_label("Name of the scope").fill(scope)
    signed_in.get_by_role("button", name="Create", exact=True).click()
    signed_in.get_by_role("button", name="Put a secret").click()
    signed_in.get_by_label("Key").fill("openai")
    signed_in.get_by_label("Value").fill(value)
    signed_in.get_by_role("button", name="Save").click()
    expect(signed_in.get_by_text(f"{{{{secrets/{scope}/openai}}}}")).to_be_visible()
    expect(signed_in.get_by_role("dialog")).to_have_count(0)
    assert value not in signed_in.content()
    signed_in.get_by_role("button", name="Delete the scope").click()
    dialog = signed_in.get_by_role("alertdialog")
    button = dialog.get_by_role("button", name="Delete the scope")
    expect(button).to_be_disabled()
    dialog.get_by_role("textbox").fill(scope)
    button.click()
    expect(signed_in.get_by_role("button", name=scope)).to_have_count(0)


def test_people_and_what_was_changed(signed_in: Page, server: Live) -> None:
    """A user and a group are made and joined, and the audit log tells of it with what was before and after."""
    tag = dice.token_hex(4)
    user, group = f"ann-{tag}@example.com", f"team-{tag}"
    signed_in.goto(f"{server.url}/people")
    signed_in.get_by_role("button", name="Add a user").first.click()
    signed_in.get_by_label("User name").fill(user)
    signed_in.get_by_role("button", name="Create", exact=True).click()
    expect(signed_in.get_by_role("dialog").get_by_text(user).first).to_be_visible()
    signed_in.get_by_role("button", name="Close").first.click()
    signed_in.get_by_role("button", name="Groups", exact=True).click()
    signed_in.get_by_role("button", name="Create a group").first.click()
    signed_in.get_by_role("textbox", name="Name").fill(group)
    signed_in.get_by_role("button", name="Create", exact=True).click()
    signed_in.get_by_role("searchbox", name="Add a member").fill(user)
    signed_in.get_by_role("button", name=f"Add: {user}").click()
    expect(signed_in.get_by_role("button", name=f"Remove: {user}")).to_be_visible()
    signed_in.goto(f"{server.url}/audit?target={group}")
    signed_in.get_by_role("row", name="group.change").get_by_role("button").first.click()
    expect(signed_in.get_by_label("After").get_by_text("members")).to_be_visible()


@pytest.mark.parametrize("path", ["/tokens", "/secrets", "/people", "/audit"])
def test_whoever_may_not_is_told_so(page: Page, watch: Watch, context: BrowserContext, server: Live, path: str) -> None:
    """Somebody without rights gets no page that breaks: what they may not see says what to do."""
    watch.expected.append("403")
    name = f"guest-{dice.token_hex(4)}"
    made = server.request(
        "POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": name, "entitlements": []}
    ).json()
    token = server.request(
        "POST", "/api/2.0/token-management/on-behalf-of/tokens", {"application_id": made["applicationId"]}
    ).json()["token_value"]
    context.add_init_script(token_script(token))
    page.goto(f"{server.url}{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path in ("/people", "/audit"):
        expect(page.get_by_role("alert")).to_contain_text("Ask somebody who manages it")
