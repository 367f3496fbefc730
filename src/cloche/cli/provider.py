"""`cloche provider`: what the providers of external models take and do, and whether those of an endpoint answer.

What is told of a provider comes from the provider itself, so `list` and `show` need no server.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cloche.cli import exits, output
from cloche.cli.client import Server, endpoint_path
from cloche.cli.exits import Failure
from cloche.cli.options import Json, talks_to_server
from cloche.providers import mapping
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.forms import Form, FormField, form, forms

_TASK = "llm/v1/"


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Providers of external models.",
        epilog="Example: cloche provider show anthropic",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: cloche provider list")(list_providers)
    group.command("show", epilog="Example: cloche provider show anthropic")(show)
    group.command("probe", epilog="Example: cloche provider probe my-endpoint")(talks_to_server(probe))
    app.add_typer(group, name="provider")


def list_providers(json: Json = False) -> None:
    """List the providers with what their models do and the credentials that they take."""
    told = [_brief(each) for each in forms()]
    if json:
        output.data({"providers": told})
        return
    rows = [(one["name"], ", ".join(one["tasks"]), ", ".join(one["credentials"]), one["page"]) for one in told]
    output.table(("NAME", "TASKS", "CREDENTIALS", "PAGE"), rows)


def show(
    name: Annotated[str, typer.Argument(help="Name of the provider.", show_default=False)], json: Json = False
) -> None:
    """Show a provider's settings, what becomes of a request's fields, and its finish reasons."""
    kind = PROVIDERS.get(name)
    if kind is None:
        word = name.lower().replace("_", "-")
        near = " or ".join(each for each, other in PROVIDERS.items() if word in each or word in other.known_as)
        meant = f"did you mean {near}?" if near else "see `cloche provider list`"
        raise Failure(f"there is no provider '{name}': {meant}", exits.NOT_FOUND)
    described = form(name)
    told = _whole(described)
    if json:
        output.data(told)
        return
    if described.deprecated_reason:
        output.line(f"No model of {name} can be declared: {described.deprecated_reason}")
        return
    output.line(f"{name}: {', '.join(told['tasks'])}; see {told['page']}")
    output.line(f"\nSettings, in {kind.group}:")
    settings = [(one["name"], one["needed"], one["meaning"]) for one in told["settings"]]
    output.table(("NAME", "NEEDED", "MEANING"), settings)
    output.line("\nWhat becomes of a request's fields:")
    fields = mapping.mapping(kind.profile.examples)
    columns = mapping.columns(fields)
    heads = (", ".join(labels) for labels in columns.values())
    output.table(("FIELD", *heads), list(zip(map(_plain, fields), *columns, strict=True)))
    output.line("\nFinish reasons:")
    output.table(("THEIRS", "OURS"), [(theirs, ours or "an error") for theirs, ours in told["finish_reasons"].items()])


def probe(
    server: Server,
    endpoint: Annotated[str, typer.Argument(help="Name of the endpoint.", show_default=False)],
    entity: Annotated[str | None, typer.Option(help="The only served entity to try.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Send a call of one token to each external model of an endpoint, with the credentials that it has there."""
    wanted = {} if entity is None else {"served_entity_name": entity}
    answer = server.post(endpoint_path(endpoint, "/probe"), wanted)
    probes = answer.get("probes") or []
    if json:
        output.data(answer)
    else:
        for one in probes:
            output.line(f"{'ok' if one['ok'] else 'FAILED':6}  {one['entity']}  {one['duration_ms']} ms")
            for words in filter(None, (one["message"], one["advice"])):
                output.line(f"        {words}")
    failed = [str(one["entity"]) for one in probes if not one["ok"]]
    if failed:
        raise Failure(f"{len(failed)} of {len(probes)} do not answer: {', '.join(failed)}")


def _brief(told: Form) -> dict[str, Any]:
    return {
        "name": told.name,
        "tasks": [task.removeprefix(_TASK) for task in told.tasks],
        "credentials": [field.name for field in told.fields if field.secret],
        "page": told.page,
    }


def _whole(told: Form) -> dict[str, Any]:
    examples = PROVIDERS[told.name].profile.examples
    return _brief(told) | {
        "settings": [
            {"name": field.name, "needed": _needed(field), "secret": field.secret, "meaning": field.help}
            for field in told.fields
        ],
        "fields": [
            {"field": _plain(field), "models": {label: each._asdict() for label, each in outcomes.items()}}
            for field, outcomes in mapping.mapping(examples).items()
            if outcomes
        ],
        "finish_reasons": mapping.finishes(examples),
    }


def _needed(field: FormField) -> str:
    if field.required:
        return "yes"
    return f"for {', '.join(field.required_for)}" if field.required_for else ""


def _plain(words: str) -> str:
    """Words of a page, for a terminal."""
    return words.replace("`", "")
