"""Nothing that a model, a provider or another user writes can run, call another host, lead elsewhere or pose as
the page.

The watch of every page also fails for what the content security policy had to stop: it is the second
wall, not the first.
"""

from __future__ import annotations

import csv
import json
import re
import secrets as dice
import sqlite3
from collections.abc import Sequence
from urllib.parse import quote

from playwright.sync_api import Page, expect

from compat.live import Live, chat, invocations, wait_until
from compat.provider import Provider

from .conftest import Watch
from .hostile import FORMULAS, HARMLESS, PAYLOADS, TAME
from .looks import lead, settled
from .seeds import counted, external

SCIM = "/api/2.0/preview/scim/v2"
ANSWERS = "count => document.querySelectorAll('.playground-turn.assistant .query-figures').length === count"

SHOWN = "texts => texts.every(each => document.body.textContent.includes(each))"


def at_home(page: Page, server: Live) -> None:
    """The page is still the page."""
    assert page.evaluate(HARMLESS) == []
    assert page.url.startswith(f"{server.url}/")
    expect(page.locator("main h1")).to_have_count(1)


def shown(page: Page, server: Live, path: str, texts: Sequence[str]) -> None:
    """A page has all these texts, letter by letter, and nothing of what they try."""
    if page.url.startswith(server.url):
        lead(page, path)
    else:
        page.goto(f"{server.url}{path}")
    settled(page)
    page.wait_for_function(SHOWN, arg=texts)
    assert page.evaluate(TAME) == []
    at_home(page, server)


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
    """Descriptions, comments and ids of calls are shown letter by letter on every page that has them."""
    page, mark = signed_in, dice.token_hex(4)
    payload = f"<img src=x onerror='window.harmed=1'>{mark}"
    tags = [{"key": f"tag {mark}", "value": payload}]
    name = external(server, provider, "parrot", description=payload, tags=tags)
    assert server.request("POST", "/api/2.0/token/create", {"comment": payload}).status == 200
    assert server.request("POST", invocations(name), chat(client_request_id=payload)).status == 200
    counted(server, name)
    for path in (f"/endpoints/{name}", "/tokens"):
        shown(page, server, path, [payload])
    page.goto(f"{server.url}/audit?target={name}")
    page.get_by_role("row", name="endpoint").get_by_role("button").first.click()
    expect(page.get_by_role("dialog")).to_contain_text(mark)
    at_home(page, server)
    page.goto(f"{server.url}/calls?endpoint={name}")
    page.get_by_role("table", name="Calls").locator("tbody tr").first.get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(payload)
    at_home(page, server)


def test_names_of_people_and_tags(signed_in: Page, server: Live, provider: Provider) -> None:
    """Every payload that may name a user, a group or a tag is shown as a name: where it is listed, where it is given a
    permission, and in the audit log."""
    people, groups = [], []
    for payload in PAYLOADS:
        name = f"{dice.token_hex(2)} {payload}"
        if server.request("POST", f"{SCIM}/Users", {"userName": name, "displayName": payload}).status == 201:
            people.append(name)
            assert server.request("POST", f"{SCIM}/Groups", {"displayName": f"{name}."}).status == 201
            groups.append(f"{name}.")
    assert len(people) > len(PAYLOADS) - 10, "a few have control characters, which no name may have"
    tags = [{"key": f"{dice.token_hex(2)} {each}"[:100], "value": each} for each in PAYLOADS]
    name = external(server, provider, "parrot", tags=tags)
    endpoint = server.request("GET", f"/api/2.0/serving-endpoints/{name}").json()["id"]
    entries = [{"group_name": each, "permission_level": "CAN_QUERY"} for each in groups]
    entries += [{"user_name": each, "permission_level": "CAN_VIEW"} for each in people]
    path = f"/api/2.0/permissions/serving-endpoints/{endpoint}"
    assert server.request("PATCH", path, {"access_control_list": entries}).status == 200
    shown(signed_in, server, f"/endpoints/{name}?tab=permissions", people + groups)
    shown(signed_in, server, f"/endpoints/{name}", [each["key"] for each in tags] + [each["value"] for each in tags])
    for kind, names in (("Users", people), ("Groups", groups)):
        for payload in names[:: len(names) // 3]:
            shown(signed_in, server, f"/people?kind={kind}&q={quote(payload)}", [payload])
        signed_in.get_by_role("row").last.get_by_role("button").first.click()
        expect(signed_in.get_by_role("dialog")).to_be_visible()
        assert signed_in.evaluate(TAME) == []
    shown(signed_in, server, "/audit", groups[-20:])


def test_what_was_written_down(signed_in: Page, server: Live, provider: Provider) -> None:
    """Rows of the log whose endpoint, entity, user, errors, attempts and fields somebody made up are shown as texts."""
    name = external(server, provider, "parrot")
    assert server.ask(name).status == 200
    counted(server, name)
    with sqlite3.connect(server.home / "cloche.db", timeout=30) as database:
        database.row_factory = sqlite3.Row
        [row] = database.execute("SELECT * FROM endpoint_usage WHERE endpoint_name = ?", [name]).fetchall()
        for number, payload in enumerate(PAYLOADS):
            told = dict.fromkeys(("endpoint_name", "served_entity_name", "requester", "error_code"), payload)
            told |= {"attempts": f"{payload}={payload}, {payload}", "translation": f"dropped={payload}"}
            told |= {"databricks_request_id": f"{name}-{number}", "client_request_id": payload, "status_code": "500"}
            made = dict(row) | told | {"request_time": f"2100-01-01 00:00:{number % 60:02}.000000"}
            holes = ", ".join("?" * len(made))
            database.execute(f"INSERT INTO endpoint_usage VALUES ({holes})", list(made.values()))
    try:
        shown(signed_in, server, "/calls", PAYLOADS)
        for number in range(0, len(PAYLOADS), 15):
            shown(
                signed_in, server, f"/calls?call={name}-{number}", [f"Attempt 1: {PAYLOADS[number].partition('=')[0]}"]
            )
        for by in ("endpoint", "user"):
            shown(signed_in, server, f"/usage?by={by}&from=2099-12-31&to=2100-01-02", PAYLOADS[:1])
    finally:
        with sqlite3.connect(server.home / "cloche.db", timeout=30) as database:
            database.execute("DELETE FROM endpoint_usage WHERE databricks_request_id LIKE ?", [f"{name}-%"])


def test_payloads_that_were_kept(signed_in: Page, server: Live, provider: Provider) -> None:
    """What was asked and answered is shown letter by letter in the drawer of its call."""
    table = {"enabled": True, "catalog_name": "main", "schema_name": "logs", "table_name_prefix": dice.token_hex(4)}
    name = external(server, provider, "parrot", {"inference_table_config": table})
    said = [{"role": "user", "content": each} for each in PAYLOADS]
    last = {"role": "user", "content": "\n".join(PAYLOADS)}
    asked = server.ask(name, messages=[*said, last])
    assert asked.status == 200
    counted(server, name)
    path = f"/api/2.0/calls/{asked.headers['x-request-id']}"
    wait_until(lambda: server.request("GET", path).json()["payload"], "the payload")
    written = [json.dumps(each, ensure_ascii=False)[1:-1] for each in PAYLOADS]
    shown(signed_in, server, f"/calls?call={asked.headers['x-request-id']}", written)
    drawer = signed_in.get_by_role("dialog", name="Call")
    drawer.get_by_role("button", name="Replay").click()
    expect(signed_in).to_have_url(re.compile("/playground"))
    settled(signed_in)
    at_home(signed_in, server)


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
