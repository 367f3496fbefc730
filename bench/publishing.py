"""Puts results into docs/performance.md, so that no figure there was ever typed by hand; keeps the raw results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench import report, results
from bench.results import Result

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "performance.md"
OPENS, CLOSES = "<!-- results -->", "<!-- /results -->"


def publish(shown: Sequence[Result], docs: Path = DOCS) -> list[Path]:
    """Fills the page's marked block with the reports, in order, and writes the raw results beside it; returns their
    paths.

    Raises ValueError where the page has no such block.
    """
    page = docs / PAGE.name
    head, opening, rest = page.read_text().partition(OPENS)
    _, closing, tail = rest.partition(CLOSES)
    if not opening or not closing:
        raise ValueError(f"{page} has no {OPENS} … {CLOSES} block")
    raws, block = [], ""
    for result in shown:
        raw = docs / "performance" / f"{re.sub(r'[^0-9]+', '-', result.conditions.made_at).strip('-')}.json"
        raw.parent.mkdir(exist_ok=True)
        results.save(result, raw)
        raws.append(raw)
        block += f"{report.markdown(result)}\nRaw result: [{raw.name}](performance/{raw.name}).\n\n"
    page.write_text(f"{head}{OPENS}\n\n{block}{CLOSES}{tail}")
    return raws
