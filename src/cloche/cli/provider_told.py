"""What `cloche provider list` and `show` print: all of it comes from the providers themselves.

Apart from the commands, because importing every provider takes 40 ms, and most commands need none of them.
"""

from __future__ import annotations

from typing import Any

from cloche.cli import exits, output
from cloche.cli.exits import Failure
from cloche.providers import mapping
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.forms import Form, FormField, form, forms

_TASK = "llm/v1/"


def print_all(*, json: bool) -> None:
    """Every provider, a line each."""
    told = [_brief(each) for each in forms()]
    if json:
        output.data({"providers": told})
        return
    rows = [(one["name"], ", ".join(one["tasks"]), ", ".join(one["credentials"]), one["page"]) for one in told]
    output.table(("NAME", "TASKS", "CREDENTIALS", "PAGE"), rows)


def print_one(name: str, *, json: bool) -> None:
    """One provider.  Raises Failure where there is none of that name."""
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
