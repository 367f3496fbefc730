"""A real browser in front of a live server: Debian's Chromium (or the machine's own Chrome), driven by Playwright.

Every test's page is watched: an error on the console, an exception, a request to another host or a broken rule of the
content security policy fails the test that caused it.  Where there is no browser, the tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, expect

from cloche.engine.catalogue import Model
from compat.live import ENDPOINT, MODEL, TOKEN, Live, playing
from compat.provider import Provider
from hubs import Hub

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
"""For whatever is waited for: a machine with two cores runs three browsers at once."""


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The browser that is installed: `make test` installs Debian's where it may."""
    found = os.environ.get("CLOCHE_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser: install Chromium (Debian: apt-get install chromium), or set CLOCHE_TEST_BROWSER")
    return {"executable_path": found, "args": FLAGS}


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    """What is expected may take as long as what is done."""
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """What every test begins with: English, light, a laptop's size, no motion."""
    return {
        "locale": "en-US",
        "timezone_id": "UTC",
        "color_scheme": "light",
        "reduced_motion": "reduce",
        "viewport": {"width": 1280, "height": 900},
    }


class Watch:
    """What a page must not do.  `expected`: parts of console errors that the test brings about on purpose."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        self.expected: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"exception: {error.error}"))
        context.on("request", self._request)
        context.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in self.expected):
            self.faults.append(f"console: {message.text} ({message.location.get('url')})")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            self.faults.append(f"request to another host: {request.url}")


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    """Watches all pages of the test, and fails it for what it saw."""
    watching = Watch(context)
    yield watching
    assert watching.faults == []


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """A fresh page, watched."""
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """Whence models are fetched."""
    with playing(Hub()) as running:
        yield running


@pytest.fixture(scope="session")
def server(model: Model, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the real small model under the name that the documentation uses, as after a first start."""
    folder = tmp_path_factory.mktemp("pages")
    weights = folder / "models" / MODEL
    weights.parent.mkdir()
    weights.symlink_to(Path(model.path).parent)
    environ = hub.environ(folder)
    running = Live(folder, "--endpoint", f"{ENDPOINT}={MODEL}", models=weights.parent, environ=environ)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The scripted provider, for what a small model cannot show."""
    with playing(Provider()) as running:
        yield running


@pytest.fixture
def signed_in(page: Page, context: BrowserContext) -> Page:
    """A page of somebody who has signed in as the administrator."""
    context.add_init_script(token_script(TOKEN))
    return page


def token_script(token: str) -> str:
    """Has a tab begin signed in.  A tab's first, empty document has no storage."""
    return f"if (location.protocol === 'http:') sessionStorage.setItem('cloche.token', '{token}')"
