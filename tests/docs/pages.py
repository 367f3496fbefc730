"""The pages as data: which there are, their headings, their links and their blocks of code.

Marks stand as HTML comments on the line above a block: `<!-- not run: WHY -->` and `<!-- file: NAME -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>not run|file): (?P<told>[^\n]+?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """One block of code.  `mark`: "not run", "file" or nothing; `told`: the reason or the file's name."""

    page: str
    line: int
    language: str
    code: str
    mark: str
    told: str

    @property
    def label(self) -> str:
        """How a test names it."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every Markdown page of the repository, the README first."""
    return [*sorted(ROOT.glob("*.md"), key=lambda page: page.name != "README.md"), *sorted(ROOT.glob("docs/**/*.md"))]


def text(page: Path) -> str:
    """What a page says."""
    return page.read_text(encoding="utf-8")


def blocks(page: Path) -> list[Block]:
    """The code of a page, in order."""
    whole = text(page)
    return [
        Block(
            page=str(page.relative_to(ROOT)),
            line=whole.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            code=found["code"],
            mark=found["mark"] or "",
            told=found["told"] or "",
        )
        for found in FENCE.finditer(whole)
    ]


def prose(page: Path) -> str:
    """A page without its code."""
    return FENCE.sub("", text(page))


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and words of each heading."""
    return [(len(found[1]), found[2]) for found in HEADING.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """The names that a link may have after `#`: GitHub's, made of the headings."""
    found: list[str] = []
    for _, words in headings(page):
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def links(page: Path) -> list[str]:
    """The targets of all links and pictures that stay inside the repository."""
    return [target for target in LINK.findall(prose(page)) if "://" not in target]
