"""Writes the generated parts of the pages beside this file: settings, commands, routes, errors, providers, from the
code itself.

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
from cloche.domain.endpoint import CHAT_TASK, ExternalModel
from cloche.http import compatibility
from cloche.http.routes import ROUTES
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.compatible import SERVICES, Service
from cloche.providers.untranslated import Untranslated

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


# ---------------------------------------------------------------- providers

_AZURE = {
    "openai_api_base": "https://example.openai.azure.com",
    "openai_api_version": "2024-10-21",
    "openai_deployment_name": "x",
}
_AWS = {"aws_region": "us-east-1", "bedrock_provider": "anthropic"}
_GOOGLE = {"project_id": "p-1", "region": "europe-west1", "private_key_plaintext": "{}"}
CREDENTIALS: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "", {"openai_api_key_plaintext": "x"}),
    ("openai", "`azure`", {"openai_api_type": "azure", "openai_api_key_plaintext": "x", **_AZURE}),
    (
        "openai",
        "`azuread`",
        {
            "openai_api_type": "azuread",
            "microsoft_entra_tenant_id": "x",
            "microsoft_entra_client_id": "x",
            "microsoft_entra_client_secret_plaintext": "x",
            **_AZURE,
        },
    ),
    ("anthropic", "", {"anthropic_api_key_plaintext": "x"}),
    ("cohere", "", {"cohere_api_key_plaintext": "x"}),
    (
        "amazon-bedrock",
        "",
        {"aws_access_key_id_plaintext": "x", "aws_secret_access_key_plaintext": "x", **_AWS},
    ),
    ("google-cloud-vertex-ai", "", _GOOGLE),
    ("gemini", "", {"gemini_api_key_plaintext": "x"}),
    ("ai21labs", "", {"ai21labs_api_key_plaintext": "x"}),
    ("palm", "", {"palm_api_key_plaintext": "x"}),
    (
        "databricks-model-serving",
        "",
        {"databricks_workspace_url": "https://example", "databricks_api_token_plaintext": "x"},
    ),
    ("custom", "", {"custom_provider_url": "https://example", "bearer_token_auth": {"token_plaintext": "x"}}),
]
"""Provider, its variant, and settings that are good: what can be called is found out by trying."""


def providers() -> str:
    """One row for each provider that is no row of the services, by what binding it says."""
    told = [_provider_row(*each) for each in CREDENTIALS]
    shaped = ", ".join(f"`{name}`" for name in SERVICES)
    told.append(f"| {shaped} | chat | [key, or none](openai-shaped.md) | yes |")
    missing = PROVIDERS.keys() - SERVICES.keys() - {name for name, _, _ in CREDENTIALS}
    assert not missing, f"no settings to try for {missing}"
    return "\n".join(["| provider | tasks | credentials | chat |", "| --- | --- | --- | --- |", *told, ""])


def _provider_row(name: str, variant: str, good: dict[str, Any]) -> str:
    kind = PROVIDERS[name]
    try:
        bound = kind.bind(ExternalModel("m", name, CHAT_TASK, good))
    except InvalidSettings:
        chat = "cannot be declared"
    else:
        chat = "501" if isinstance(bound, Untranslated) or CHAT_TASK not in kind.tasks else "yes"
    label = f"`{name}`, type {variant}" if variant else f"`{name}`"
    tasks = ", ".join(task.removeprefix("llm/v1/") for task in kind.tasks)
    return f"| {label} | {tasks} | {', '.join(_credential_names(good))} | {chat} |"


def _credential_names(good: dict[str, Any]) -> Iterator[str]:
    for name, value in good.items():
        if isinstance(value, dict):
            yield from (f"`{name}.{below.strip('`')}`" for below in _credential_names(value))
        elif name.endswith("_plaintext"):
            yield f"`{name.removesuffix('_plaintext')}`"


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


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings.reference,
    "commands": commands,
    "routes": routes,
    "errors": problems,
    "compatibility": compatibility.table,
    "providers": providers,
    "services": services,
}


def pages() -> dict[Path, str]:
    """Every page with a generated part, and what it should say as a whole."""
    found = {page: page.read_text(encoding="utf-8") for page in sorted(DOCS.rglob("*.md"))}
    return {page: GENERATED.sub(_fill, text) for page, text in found.items() if GENERATED.search(text)}


def _fill(part: re.Match[str]) -> str:
    start, name, end = part.groups()
    return f"{start}\n{PARTS[name]()}\n{end}"


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
        print(page.relative_to(DOCS))
