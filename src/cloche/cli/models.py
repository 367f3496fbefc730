"""`cloche models`: the model files on this machine.  It works on the models directory, not on a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloche import settings
from cloche.cli import output, progress
from cloche.cli.exits import problems_as_failures
from cloche.cli.options import Json
from cloche.engine.catalogue import Catalogue, Model
from cloche.engine.pull import pull


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        help="Model files on this machine.",
        epilog="Example: cloche models list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", epilog="Example: cloche models list --json")(list_models)
    group.command("pull", epilog="Example: cloche models pull smollm2-135m-instruct")(pull_model)
    group.command("add", epilog="Example: cloche models add ./my-model.gguf --name my-model")(add)
    group.command("rm", epilog="Example: cloche models rm my-model")(remove)
    app.add_typer(group, name="models")


def list_models(json: Json = False) -> None:
    """List the models that are here."""
    models = _catalogue().list()
    if json:
        output.data({"models": models})
        return
    rows = [(one.name, output.size(one.size), str(one.context_length), one.licence, one.source) for one in models]
    output.table(("NAME", "SIZE", "CONTEXT", "LICENCE", "SOURCE"), rows)


def pull_model(
    spec: Annotated[str, typer.Argument(help="A known name, or hf:ORG/REPO/FILE.gguf.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="What to call it here.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Fetch a model.  Known by name: smollm2-135m-instruct."""
    with problems_as_failures(), progress.shown() as told:
        model = pull(spec, _catalogue(), told, name)
    _print(model, json)


def add(
    path: Annotated[Path, typer.Argument(help="A GGUF file; it stays where it is.", show_default=False)],
    name: Annotated[str, typer.Option(help="What to call it here.", show_default=False)],
    json: Json = False,
) -> None:
    """Take in a model file."""
    with problems_as_failures():
        model = _catalogue().add(path, name)
    _print(model, json)


def remove(name: Annotated[str, typer.Argument(help="Name of the model.", show_default=False)]) -> None:
    """Delete a model from this machine."""
    with problems_as_failures():
        _catalogue().remove(name)
    output.note(f"removed {name}")


def _catalogue() -> Catalogue:
    loaded = settings.load({}, settings.environment()).settings
    settings.prepare_home(loaded)
    return Catalogue(loaded.models_path)


def _print(model: Model, json: bool) -> None:
    if json:
        output.data(model)
    else:
        output.line(f"{model.name}  {output.size(model.size)}  sha256 {model.sha256}")
