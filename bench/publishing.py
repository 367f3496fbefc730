"""Puts a result into docs/performance.md, so that no figure there was ever typed by hand; keeps the raw result."""

from __future__ import annotations

import re
from pathlib import Path

from bench import report, results
from bench.results import Result

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
OPENS, CLOSES = "<!-- results -->", "<!-- /results -->"


def publish(result: Result, docs: Path = DOCS) -> Path:
    """Fills the page's marked block and writes the raw result beside it; returns the raw file's path.

    Raises ValueError where the page has no such block.
    """
    page = docs / PAGE.name
    raw = docs / "performance" / f"{re.sub(r'[^0-9]+', '-', result.conditions.made_at).strip('-')}.json"
    head, opening, rest = page.read_text().partition(OPENS)
    _, closing, tail = rest.partition(CLOSES)
    if not opening or not closing:
        raise ValueError(f"{page} has no {OPENS} … {CLOSES} block")
    raw.parent.mkdir(exist_ok=True)
    results.save(result, raw)
    link = f"Raw result: [{raw.name}](performance/{raw.name}).\n"
    page.write_text(f"{head}{OPENS}\n\n{report.markdown(result)}\n{link}\n{CLOSES}{tail}")
    return raw
