"""Writes the generated parts of the pages beside this file: settings, commands, routes, errors, providers, from the
code itself.

A page is written by hand except between `<!-- generated: PART -->` and `<!-- end -->`; some parts are told what of.
tests/docs/test_generated.py fails when a part is stale.  Must not know anything that the code does not say: words are
changed where they are defined.
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
from cloche.providers import mapping
from cloche.providers.catalogue import PROVIDERS, ProviderKind
from cloche.providers.compatible import SERVICES, Service
from cloche.providers.profile import settings_of

DOCS = Path(__file__).parent
HELP_WIDTH = 100
GENERATED = re.compile(r"(<!-- generated: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


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


# ---------------------------------------------------------------- providers


def providers() -> str:
    """One row for each provider that is no row of the services: what it does and takes."""
    told = [_provider_row(name, kind) for name, kind in PROVIDERS.items() if name not in SERVICES]
    shaped = ", ".join(f"`{name}`" for name in SERVICES)
    told.append(f"| {shaped} | chat | [key, or none](openai-shaped.md) |")
    return "\n".join(["| provider | tasks | credentials |", "| --- | --- | --- |", *told, ""])


def _provider_row(name: str, kind: ProviderKind) -> str:
    tasks = ", ".join(task.removeprefix("llm/v1/") for task in kind.tasks)
    if not kind.profile.examples:
        tasks = "none: it cannot be declared"
    credentials = ", ".join(f"`{each.name}`" for each in settings_of(kind.profile.settings) if each.secret)
    return f"| [`{name}`]({kind.profile.page}.md) | {tasks} | {credentials} |"


def capabilities() -> str:
    """One row for each example of each provider: what it can do."""
    rows = {
        f"`{name}`, {label}" if len(kind.profile.examples) > 1 else f"`{name}`": mapping.capabilities(model)
        for name, kind in PROVIDERS.items()
        for label, model in kind.profile.examples.items()
    }
    names = [*mapping.CAPABILITIES, "usage in streams"]
    told = [f"| {row} | " + " | ".join(able[name] for name in names) + " |" for row, able in rows.items()]
    return "\n".join(["| provider | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|", *told, ""])


def provider_settings(name: str) -> str:
    """One row for each field of a provider's settings object."""
    profile = PROVIDERS[name].profile
    rows = [
        f"| `{each.name}` | {mapping.needed(each.name, profile.examples)} | {each.meaning} |"
        for each in settings_of(profile.settings)
    ]
    return "\n".join([f"| `{PROVIDERS[name].group}` | needed | meaning |", "| --- | --- | --- |", *rows, ""])


def provider_mapping(*names: str) -> str:
    """One row for each field of a request, one column for the examples of these providers that treat all alike."""
    examples = {label: model for name in names for label, model in PROVIDERS[name].profile.examples.items()}
    told = mapping.mapping(examples)
    columns = mapping.columns(told)
    heads = " | ".join(", ".join(labels) for labels in columns.values())
    rows = [f"| {field} | " + " | ".join(cells) + " |" for field, *cells in zip(told, *columns, strict=True)]
    return "\n".join([f"| field | {heads} |", "| --- " * (len(columns) + 1) + "|", *rows, ""])


def provider_finishes(name: str) -> str:
    """One row for each finish reason of a provider's own."""
    told = mapping.finishes(PROVIDERS[name].profile.examples)
    rows = [f"| `{theirs}` | {f'`{ours}`' if ours else 'an error'} |" for theirs, ours in told.items()]
    return "\n".join([f"| finish reason of `{name}` | `finish_reason` |", "| --- | --- |", *rows, ""])


def services() -> str:
    """One row for each OpenAI-shaped service, from the table that is in force."""
    rows = [
        f"| `{name}` | {f'`{row.base}`' if row.base else 'must be given'} "
        f"| {'may be left out' if row.keyless else 'yes'} | {_differences(row)} |"
        for name, row in SERVICES.items()
    ]
    return "\n".join(["| provider | base URL | key | what is different |", "| --- | --- | --- | --- |", *rows, ""])


def _differences(row: Service) -> str:
    told = [f"`{ours}` becomes `{theirs}`" for ours, theirs in row.renamed.items()]
    if row.refused:
        told.append("left out: " + ", ".join(f"`{name}`" for name in sorted(row.refused)))
    if not row.developer:
        told.append("the role `developer` becomes `system`")
    for theirs, ours in row.finishes.items():
        told.append(f"finish reason `{theirs}` becomes " + (f"`{ours}`" if ours else "an error"))
    return "; ".join(told) or "nothing"


PARTS: dict[str, Callable[..., str]] = {
    "settings": settings.reference,
    "commands": commands,
    "routes": routes,
    "errors": problems,
    "compatibility": compatibility.table,
    "providers": providers,
    "capabilities": capabilities,
    "provider-settings": provider_settings,
    "provider-mapping": provider_mapping,
    "provider-finishes": provider_finishes,
    "services": services,
}


def pages() -> dict[Path, str]:
    """Every page with a generated part, and what it should say as a whole."""
    found = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
    return {page: GENERATED.sub(_fill, text) for page, text in found.items() if GENERATED.search(text)}


def _fill(part: re.Match[str]) -> str:
    start, told, end = part.groups()
    name, *about = told.split()
    return f"{start}\n{PARTS[name](*about)}\n{end}"


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
        print(page.relative_to(DOCS))
