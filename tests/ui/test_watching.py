"""What was called: the log, one call, calls as they come, and the charts of usage."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from compat.live import Live
from compat.provider import Provider
from hubs import SPEC, Hub

from .conftest import Watch
from .looks import settled, violations
from .seeds import counted, entity, external


def test_the_log_follows_and_opens(signed_in: Page, watch: Watch, server: Live, provider: Provider) -> None:
    """A call that ends while somebody looks appears; opened, it tells its attempts, and its address opens it again."""
    name = external(server, provider, "wordy")
    assert server.ask(name).status == 200
    counted(server, name)
    signed_in.goto(f"{server.url}/calls?endpoint={name}&follow=1")
    rows = signed_in.get_by_role("table", name="Calls").locator("tbody tr")
    expect(rows).to_have_count(1)
    assert server.ask(name, stream=True).status == 200
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button").click()
    drawer = signed_in.get_by_role("dialog", name="Call")
    expect(drawer.get_by_text("Attempt 1")).to_be_visible()
    expect(drawer.get_by_text("Answered to the end")).to_be_visible()
    assert violations(signed_in) == []
    signed_in.reload()
    expect(drawer.get_by_text("Attempt 1")).to_be_visible()


def test_attempts_are_drawn_where_they_were(signed_in: Page, server: Live, provider: Provider) -> None:
    """The drawer of a call that fell back has each attempt with its time, drawn one after the other."""
    routes = [{"served_model_name": "failing", "traffic_percentage": 100}]
    entities = [entity(provider, "failing"), entity(provider, "wordy")]
    config = {"served_entities": entities, "traffic_config": {"routes": routes}}
    name = external(server, provider, "failing", {"fallback_config": {"enabled": True}}, config=config)
    assert server.ask(name, stream=True).status == 200
    counted(server, name)
    signed_in.goto(f"{server.url}/calls?endpoint={name}")
    signed_in.get_by_role("table", name="Calls").locator("tbody tr").get_by_role("button").click()
    steps = signed_in.get_by_role("dialog", name="Call").get_by_role("listitem")
    expect(steps.filter(has_text="Attempt 1: failing")).to_contain_text(re.compile(r"at .* ms, for .* ms"))
    expect(steps.filter(has_text="Attempt 2: wordy")).to_contain_text("answered")
    failed, wait = signed_in.locator(".calls-track .failed"), signed_in.locator(".calls-track .wait")
    first, second = failed.bounding_box(), wait.bounding_box()
    assert first is not None
    assert second is not None
    assert first["x"] < second["x"]
    assert violations(signed_in) == []


def test_a_model_is_fetched(signed_in: Page, server: Live, hub: Hub) -> None:
    """A model that somebody fetches elsewhere is seen on its way and, without asking again, in the list, whence it
    can be served."""
    hub.opened.clear()
    signed_in.goto(f"{server.url}/models")
    expect(signed_in.get_by_text("Live", exact=True)).to_be_visible()
    begun = server.request("POST", "/api/2.0/models/pull", {"spec": SPEC, "name": "tiny"})
    assert begun.status == 200
    bar = signed_in.get_by_role("progressbar", name="Fetching tiny")
    expect(bar).to_be_visible()
    assert violations(signed_in) == []
    hub.opened.set()
    expect(signed_in.get_by_text("tiny is here.")).to_be_visible()
    expect(bar).to_have_count(0)
    signed_in.get_by_role("row", name="tiny hf:").get_by_role("link", name="Serve it").click()
    expect(signed_in.get_by_label("Name", exact=True)).to_have_value("tiny")
    assert server.request("DELETE", "/api/2.0/models/tiny").status == 200


def test_a_failure_is_found(signed_in: Page, server: Live, provider: Provider) -> None:
    """Failed calls are found by their end, and told apart from others."""
    name = external(server, provider, "bad-key")
    assert server.ask(name).status >= 400
    counted(server, name)
    signed_in.goto(f"{server.url}/calls?endpoint={name}&status=error")
    expect(signed_in.get_by_role("table", name="Calls").locator("tbody tr")).to_have_count(1)
    signed_in.goto(f"{server.url}/calls?endpoint={name}&status=ok")
    expect(signed_in.get_by_text("Nothing matches the filters")).to_be_visible()


def test_usage_is_drawn_and_downloaded(signed_in: Page, server: Live, provider: Provider) -> None:
    """Calls appear as a chart with the same figures as a table, and as CSV."""
    name = external(server, provider, "wordy")
    assert server.ask(name).status == 200
    counted(server, name)
    signed_in.goto(f"{server.url}/usage?endpoint={name}")
    settled(signed_in)
    expect(signed_in.locator(".chart canvas").first).to_be_visible()
    expect(signed_in.get_by_role("cell", name=name).first).to_be_visible()
    assert violations(signed_in) == []
    with signed_in.expect_download() as download:
        signed_in.get_by_role("button", name="CSV", exact=False).click()
    assert name in download.value.path().read_text()
