"""What a person is told who fills in a provider's settings: the one home of what `cloche provider` and the API tell.

All of it comes from the providers themselves.  Must not know where it is shown.
"""

from __future__ import annotations

from functools import cache

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.providers import mapping
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.profile import Setting, settings_of

_WORDS = {
    **{word: word.upper() for word in ("api", "arn", "aws", "id", "uri", "url", "uc")},
    "openai": "OpenAI",
    "entra": "Entra",
}


class FormField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One setting.  `name`: its place in the settings object, with a dot where it stands in an object within.

    `secret`: takes a reference, or as `NAME_plaintext` the value.  `required_for`: what needs it where not everything
    does: an API type or a model.  `choices`: the words that it may be.  `refused`: known, and must not be given.
    """

    name: str
    label: str
    secret: bool
    required: bool
    help: str
    required_for: list[str] = []
    choices: list[str] = []
    refused: bool = False


class Form(msgspec.Struct, frozen=True, omit_defaults=True):
    """A provider.  `title`: as people write it.  `group`: the settings object's name.  `page`: of the documents.
    `deprecated_reason`: why no model of it can be declared."""

    name: str
    title: str
    group: str
    tasks: list[str]
    page: str
    fields: list[FormField]
    deprecated_reason: str = ""


class Forms(msgspec.Struct, frozen=True):
    """GET /api/2.0/providers."""

    providers: list[Form]


def forms() -> list[Form]:
    """Every provider, by name."""
    return [form(name) for name in sorted(PROVIDERS)]


@cache
def form(name: str) -> Form:
    """One of them.  KeyError."""
    kind = PROVIDERS[name]
    reason = "" if kind.profile.examples else _obstacle(name)
    return Form(
        name=name,
        title=kind.profile.title,
        group=kind.group,
        tasks=[] if reason else list(kind.tasks),
        page=f"docs/providers/{kind.profile.page}.md",
        fields=[_field(name, setting) for setting in settings_of(kind.profile.settings)],
        deprecated_reason=reason,
    )


def _field(provider: str, setting: Setting) -> FormField:
    kind = PROVIDERS[provider]
    needing = mapping.needing(setting.name, kind.profile.examples)
    always = len(needing) == len(kind.profile.examples) and bool(needing)
    return FormField(
        name=setting.name,
        label=_label(setting.name, kind.group),
        secret=setting.secret,
        required=always,
        help=setting.meaning.replace("`", ""),
        required_for=[] if always else needing,
        choices=list(setting.choices),
        refused=setting.refused,
    )


def _label(name: str, group: str) -> str:
    """`anthropic_api_key` of `anthropic_config`: API key."""
    words = name.removeprefix(group.removesuffix("config")).replace(".", "_").split("_")
    told = " ".join(_WORDS.get(word, word) for word in words)
    return told[:1].upper() + told[1:]


def _obstacle(name: str) -> str:
    kind = PROVIDERS[name]
    try:
        kind.bind(ExternalModel("model", name, kind.tasks[0]))
    except InvalidSettings as error:
        return "; ".join(what for _, what in error.problems)
    return ""
