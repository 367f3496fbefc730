"""Links lead somewhere, the two READMEs keep step, and everything that people can set, call or meet is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from cloche import settings
from cloche.cli.main import app
from cloche.domain import errors
from cloche.http.chat_paths import match
from cloche.http.routes import ROUTES

from .pages import ROOT, anchors, blocks, headings, links, pages, text

CHAT_PATHS = (
    "/serving-endpoints/{name}/invocations",
    "/serving-endpoints/{name}/served-models/{entity}/invocations",
    "/serving-endpoints/chat/completions",
    "/ai-gateway/mlflow/v1/chat/completions",
    "/ai-gateway/openai/v1/chat/completions",
    *(
        f"{base}/{task}"
        for base in ("/serving-endpoints", "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1")
        for task in ("completions", "embeddings")
    ),
)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    """Every link inside the repository leads to a file that is there and a heading that is in it."""
    broken = []
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached() -> None:
    """From the README, link by link, one gets to every page under docs/."""
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        ahead += [target for target in targets - seen if target.suffix == ".md" and target.is_file()]
    assert [page for page in pages() if page.is_relative_to(ROOT / "docs") and page not in seen] == []


def test_readmes_keep_step() -> None:
    """The Japanese README has the English one's sections and code, in the same order."""
    english, japanese = ROOT / "README.md", ROOT / "README.ja.md"
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(japanese)]
    assert [block.code for block in blocks(english)] == [block.code for block in blocks(japanese)]
    english_links = [link for link in links(english) if not link.startswith("README")]
    assert english_links == [link for link in links(japanese) if not link.startswith("README")]


def test_the_readmes_tell_the_size_that_it_has() -> None:
    """Lines to a tenth, direct dependencies to the number."""
    size = sum(len(path.read_bytes().splitlines()) for path in (ROOT / "src").rglob("*.py"))
    needed = len(tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["dependencies"])
    for name, told in (
        ("README.md", r"([\d,]+) lines.* with (\d+) direct"),
        ("README.ja.md", r"([\d,]+) 行.*依存は (\d+) 個"),
    ):
        found = re.search(told, text(ROOT / name))
        assert found is not None
        assert abs(int(found[1].replace(",", "")) - size) < size / 10
        assert int(found[2]) == needed


def test_every_setting_is_described() -> None:
    """Each setting has a section of its own in the reference."""
    described = {words.strip("`") for _, words in headings(ROOT / "docs" / "configuration.md")}
    assert set(settings.fields()) - described == set()


def test_every_command_is_described() -> None:
    """Each command has a section of its own in the reference."""
    described = {words for _, words in headings(ROOT / "docs" / "cli.md")}
    assert commands(typer.main.get_command(app()), "cloche") - described == set()


def test_every_route_is_described() -> None:
    """Each path that is served stands in the page on endpoints, and so does each chat path."""
    page = text(ROOT / "docs" / "endpoints.md")
    assert all(match(path.format(name="a", entity="b").encode()) for path in CHAT_PATHS)
    paths = {f"{row.method} {row.path}" for row in ROUTES} | {f"POST {path}" for path in CHAT_PATHS}
    assert [path for path in sorted(paths) if f"`{path}`" not in page] == []


def test_every_error_code_is_described() -> None:
    """Each error code stands in the page on errors."""
    page = text(ROOT / "docs" / "errors.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Problem)]
    assert {kind.code for kind in kinds if f"`{kind.code}`" not in page} == set()


def commands(command: object, path: str) -> set[str]:
    """The full name of a command and of all below it."""
    below = getattr(command, "commands", {})
    return {path}.union(*(commands(child, f"{path} {name}") for name, child in below.items()))
