"""Writes the generated parts of the pages beside this file: settings, commands, routes, errors, from the code itself.

A page is written by hand except between `<!-- generated: NAME -->` and `<!-- end -->`.  tests/docs/test_generated.py
fails when a part is stale.  Must not know anything that the code does not say: words about settings, commands, routes
and errors are changed where those are defined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from cloche import settings
from cloche.cli.main import app
from cloche.domain import errors
from cloche.http import compatibility
from cloche.http.routes import ROUTES

DOCS = Path(__file__).parent
HELP_WIDTH = 100
GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def commands() -> str:
    """One section for each command: what `--help` prints."""
    root = typer.main.get_command(app())
    return "\n".join(line for page in _help_pages(root, None) for line in page)


def _help_pages(command: Any, parent: typer.Context | None) -> Iterator[list[str]]:  # Typer hides its commands' type
    context = typer.Context(
        command,
        info_name=command.name if parent is not None else "cloche",
        parent=parent,
        terminal_width=HELP_WIDTH,
        max_content_width=HELP_WIDTH,
    )
    path = context.command_path
    yield [f"## {path}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    for child in getattr(command, "commands", {}).values():
        yield from _help_pages(child, context)


def routes() -> str:
    """One row for each route: what it takes to call it, and what its handler says of itself."""
    rows = [
        f"| `{row.method} {row.path}` | {row.needs.value} | `{row.operation}` | {_first_sentence(row.handler)} |"
        for row in sorted(ROUTES, key=lambda row: row.path)
    ]
    return "\n".join(["| path | it takes | operation | what it does |", "| --- | --- | --- | --- |", *rows, ""])


def problems() -> str:
    """One row for each way a call can go wrong, by status."""
    leaves = [kind for kind in vars(errors).values() if _is_leaf(kind)]
    rows = [
        f"| {kind.status} | `{kind.code}` | {_sentence(kind)} |"
        for kind in sorted(leaves, key=lambda kind: kind.status)
    ]
    return "\n".join(["| status | `error_code` | what it means |", "| --- | --- | --- |", *rows, ""])


def _is_leaf(kind: object) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, errors.Problem)
        and kind.__module__ == errors.__name__
        and (kind not in (errors.Problem, errors.CallerFault, errors.ProviderFault, errors.OurFault))
    )


def _first_sentence(described: object) -> str:
    return _sentence(described).partition(". ")[0].rstrip(".")


def _sentence(described: object) -> str:
    return " ".join((described.__doc__ or "").split())


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings.reference,
    "commands": commands,
    "routes": routes,
    "errors": problems,
    "compatibility": compatibility.table,
}


def pages() -> dict[Path, str]:
    """Every page with a generated part, and what it should say as a whole."""
    found = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md"))}
    return {page: GENERATED.sub(_fill, text) for page, text in found.items() if GENERATED.search(text)}


def _fill(part: re.Match[str]) -> str:
    start, name, end = part.groups()
    return f"{start}\n{PARTS[name]()}\n{end}"


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
        print(page.name)
