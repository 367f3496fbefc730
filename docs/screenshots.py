"""Takes the pictures of the pages in images/pages/: `make screenshots`, with Chromium and the model of `make test`.

A server with sample data is started for it (sample.py).  Pictures have 256 colours at most, so that each is small.
"""

from __future__ import annotations

import base64
import math
import random
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sample
from playwright.sync_api import Browser, Page, Route, sync_playwright
from sample import TOKEN, Sample

ROOT = Path(__file__).parent.parent
IMAGES = Path(__file__).parent / "images" / "pages"
MOST_BYTES = 120_000
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}


class Picture(NamedTuple):
    """`path`: which page.  `then`: what is done on it first, as the name of a function below."""

    name: str
    path: str
    then: str = ""
    look: dict[str, Any] = {}  # noqa: RUF012 - of a tuple, never changed


DARK = {"color_scheme": "dark"}
JAPANESE = {"locale": "ja-JP"}
SMALL = {"viewport": PHONE}

PICTURES = (
    Picture("endpoints", "/"),
    Picture("endpoint", "/endpoints/support-bot"),
    Picture("create", "/endpoints?new=1"),
    Picture("query", "/endpoints/support-bot?tab=query", "send"),
    Picture("programs", "/endpoints/support-bot?tab=query&client=openai"),
    Picture("gateway", "/endpoints/support-bot?tab=gateway", "bench"),
    Picture("versions", "/endpoints/support-bot?tab=history", "compare"),
    Picture("permissions", "/endpoints/support-bot?tab=permissions", "explain"),
    Picture("playground", "/playground?endpoint=support-bot,translate&settings=0", "talk"),
    Picture("models", "/models"),
    Picture("calls", "/calls"),
    Picture("call", "/calls?q=chat-4711", "open_call"),
    Picture("usage", "/usage"),
    Picture("budgets", "/budgets"),
    Picture("tokens", "/tokens"),
    Picture("secrets", "/secrets?scope=providers"),
    Picture("people", "/people"),
    Picture("audit", "/audit"),
    Picture("status", "/status"),
    Picture("endpoints-dark", "/", look=DARK),
    Picture("usage-dark", "/usage?metric=tokens&by=user", look=DARK),
    Picture("endpoint-ja", "/endpoints/support-bot", look=JAPANESE),
    Picture("playground-ja", "/playground?endpoint=support-bot", "talk", JAPANESE),
    Picture("calls-phone", "/calls", look=SMALL),
    Picture("playground-phone", "/playground?endpoint=support-bot", "talk", SMALL),
)

QUESTION = {"en-US": "How does a glass cloche protect seedlings?", "ja-JP": "ガラスのクロッシュは苗をどう守りますか?"}


def send(page: Page) -> None:
    """One call of the query box."""
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Status 200").wait_for()


def bench(page: Page) -> None:
    """The guardrails and what they make of a text."""
    text = page.get_by_role("textbox", name="Text to try")
    text.fill("My bell jar broke. Write to jo@example.com or call +1 212-555-0142.")
    page.get_by_role("button", name="Try the rules").click()
    page.get_by_text("Masked", exact=True).wait_for()
    text.evaluate("each => each.scrollIntoView({block: 'end'})")
    page.mouse.wheel(0, 260)


def compare(page: Page) -> None:
    """What a rollback would change."""
    page.get_by_role("button", name="Compare").first.click()
    page.get_by_role("dialog").get_by_role("region").wait_for()
    page.wait_for_timeout(1_000)


def explain(page: Page) -> None:
    """Why somebody may not."""
    why = page.locator("section").filter(has=page.get_by_role("heading", name="Why can somebody do this?"))
    why.get_by_label("Name").fill("maya.lindqvist@example.com")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("– yes").wait_for()


def talk(page: Page) -> None:
    """A question and its answer."""
    language = page.evaluate("document.documentElement.lang")
    page.locator(".playground-composer textarea").fill(QUESTION["ja-JP" if language == "ja" else "en-US"])
    page.keyboard.press("Enter")
    lanes = page.locator(".playground-lane").count()
    page.locator(".query-figures").nth(lanes - 1).wait_for()
    page.wait_for_timeout(500)


def open_call(page: Page) -> None:
    """The drawer of a call that failed at one provider and was answered by another."""
    page.get_by_role("row").filter(has_text="support-bot").first.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("list").first.wait_for()


PALETTE = """async (source) => {
  const image = new Image();
  image.src = source;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    const colour = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const chosen = [...counts].sort((one, other) => other[1] - one[1]).slice(0, 256).map(([colour]) => colour);
  const far = (one, other) => {
    const [r, g, b] = [16, 8, 0].map((bits) => ((one >> bits) & 255) - ((other >> bits) & 255));
    return 2 * r * r + 4 * g * g + 3 * b * b;
  };
  const nearest = new Map();
  for (const colour of counts.keys()) {
    let best = 0;
    for (let at = 1; at < chosen.length; at += 1) if (far(colour, chosen[at]) < far(colour, chosen[best])) best = at;
    nearest.set(colour, best);
  }
  const drawn = new Uint8Array(data.length / 4);
  for (let at = 0; at < drawn.length; at += 1)
    drawn[at] = nearest.get((data[at * 4] << 16) | (data[at * 4 + 1] << 8) | data[at * 4 + 2]);
  return { width: image.width, height: image.height, colours: chosen, pixels: drawn.toBase64() };
}"""
"""The commonest colours of a picture, and each pixel as the nearest of them; in the browser, which is fast at it."""


def small_png(drawing: Page, picture: bytes) -> bytes:
    """The same picture with a palette."""
    source = "data:image/png;base64," + base64.b64encode(picture).decode()
    found = drawing.evaluate(PALETTE, source)
    width, height = found["width"], found["height"]
    pixels = base64.b64decode(found["pixels"])
    lines = b"".join(b"\0" + pixels[at * width : (at + 1) * width] for at in range(height))
    palette = b"".join(colour.to_bytes(3, "big") for colour in found["colours"])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


BUSY = {
    "support-bot": 22,
    "translate": 9,
    "contract-summary": 6,
    "quick-answers": 4,
    "product-search": 13,
    "legacy-faq": 3,
}
"""Calls in the busiest minute."""


def lived_hour(route: Route) -> None:
    """An hour of calls in the answer: the server counts them by the minute, and it has run for a few seconds."""
    reply = route.fetch()
    told = reply.json()
    for each in told.get("endpoints", ()):
        each["sparkline"] = [{"calls": calls, "errors": errors} for calls, errors in hour(each["name"])]
        for what in ("calls", "errors"):
            each[f"{what}_last_hour"] = sum(minute[what] for minute in each["sparkline"])
    if "minutes" in told:
        for minute, (calls, errors) in zip(told["minutes"], hour("support-bot"), strict=False):
            shape = 1 + calls / 40
            times = {"latency_ms_p50": round(410 * shape), "latency_ms_p95": round(1180 * shape * shape)}
            minute |= {"calls": calls, "client_errors": 0, "server_errors": errors} | times
    route.fulfill(response=reply, json=told)


def hour(name: str) -> list[tuple[int, int]]:
    """Calls and errors by the minute."""
    dice, most = random.Random(name), BUSY.get(name, 0)
    wave = [0.6 + 0.3 * math.sin(minute / 9 + len(name)) + dice.uniform(-0.2, 0.2) for minute in range(60)]
    calls = [max(0, round(most * share)) for share in wave]
    failed = calls if name == "legacy-faq" else [count // 3 if 37 < at < 41 else 0 for at, count in enumerate(calls)]
    return list(zip(calls, failed if name in ("legacy-faq", "support-bot") else [0] * 60, strict=True))


@contextmanager
def opened(browser: Browser, picture: Picture) -> Iterator[Page]:
    """The page of a picture, signed in."""
    look = {"locale": "en-US", "color_scheme": "light", "reduced_motion": "reduce", "viewport": LAPTOP} | picture.look
    context = browser.new_context(**look, timezone_id="UTC")
    context.set_default_timeout(20_000)
    context.add_init_script(f"if (location.protocol === 'http:') sessionStorage.setItem('cloche.token', '{TOKEN}')")
    for path in ("endpoint-summaries**", "serving-endpoints/*/series**"):
        context.route(f"**/api/2.0/{path}", lived_hour)
    yield context.new_page()
    context.close()


def take(browser: Browser, url: str, wanted: list[str]) -> None:
    """All pictures, or those that are named."""
    drawing = browser.new_page()
    for picture in PICTURES:
        if wanted and picture.name not in wanted:
            continue
        with opened(browser, picture) as page:
            page.goto(url + picture.path)
            page.locator("h1").wait_for()
            page.locator(".skeleton").first.wait_for(state="detached")
            page.wait_for_timeout(600)
            if picture.then:
                globals()[picture.then](page)
            page.wait_for_timeout(300)
            data = small_png(drawing, page.screenshot())
        print(f"{picture.name}: {len(data)} bytes")
        assert len(data) <= MOST_BYTES, picture.name
        (IMAGES / f"{picture.name}.png").write_bytes(data)


def main() -> None:
    """Start the server, fill it, and look at it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cl-") as folder, sync_playwright() as playwright:
        running = Sample(Path(folder) / "home", ROOT / ".cache" / "models")
        try:
            sample.fill(running)
            chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take(browser, running.url, sys.argv[1:])
            browser.close()
        finally:
            running.stop()


if __name__ == "__main__":
    main()
