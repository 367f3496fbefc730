"""Credentials in a provider's settings: plaintext becomes a kept secret, a reference becomes its value.

The API has two forms for each credential: `X`, whose whole value is `{{secrets/SCOPE/KEY}}`, and `X_plaintext`.  What
is kept has only references; what a provider is bound with has only plaintext.  Works on any settings object, because
the two forms are a rule of the API and not of a provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem
from cloche.providers.base import InvalidSettings
from cloche.providers.catalogue import PROVIDERS
from cloche.store.work import REFERENCE

PLAINTEXT = "_plaintext"


def place(scope: str, key: str) -> str:
    """What the sealed value of a secret is bound to."""
    return f"secret {scope}/{key}"


def reference(scope: str, key: str) -> str:
    """A reference to a secret."""
    return "{{secrets/" + scope + "/" + key + "}}"


def resolved(
    model: ExternalModel, secrets: Mapping[tuple[str, str], bytes], open_sealed: Callable[[bytes, str], bytes]
) -> ExternalModel:
    """The model with the value of each secret in place of its reference.  InvalidSettings names what is missing."""
    problems: list[tuple[str, str]] = []

    def value_of(text: str, path: str) -> str:
        found = REFERENCE.fullmatch(text)
        assert found is not None
        scope, key = found[1], found[2]
        sealed = secrets.get((scope, key))
        if sealed is None:
            problems.append((path, f"there is no secret '{key}' in the scope '{scope}'"))
            return ""
        try:
            return open_sealed(sealed, place(scope, key)).decode()
        except (Problem, UnicodeDecodeError):
            problems.append((path, f"the secret '{key}' in the scope '{scope}' cannot be opened, or is no text"))
            return ""

    group = PROVIDERS[model.provider].group
    settings = with_values(model.settings, group, value_of)
    if problems:
        raise InvalidSettings(problems)
    return msgspec.structs.replace(model, settings=settings)


def with_values(settings: dict[str, Any], path: str, value_of: Callable[[str, str], str]) -> dict[str, Any]:
    """The settings with `X_plaintext: value_of(reference, path of X)` in place of each `X: reference`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found[name] = with_values(value, f"{path}.{name}", value_of)
        elif isinstance(value, str) and not name.endswith(PLAINTEXT) and REFERENCE.fullmatch(value):
            found[name + PLAINTEXT] = value_of(value, f"{path}.{name}")
        else:
            found[name] = value
    return found


def hidden(settings: dict[str, Any], keep: Callable[[str, str], str], path: str) -> dict[str, Any]:
    """The settings with `X: keep(path of X, value)` in place of each `X_plaintext: value`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found[name] = hidden(value, keep, f"{path}.{name}")
        elif name.endswith(PLAINTEXT) and isinstance(value, str):
            bare = name.removesuffix(PLAINTEXT)
            found[bare] = keep(f"{path}.{bare}", value)
        else:
            found[name] = value
    return found
