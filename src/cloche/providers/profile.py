"""What a provider tells of itself, so that the command line and the pages need no list of their own.

It stands in the provider's file, beside the settings that it tells of.  Must not know any provider.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

import msgspec

from cloche.domain.endpoint import ExternalModel

_PLAINTEXT = "_plaintext"

Told = TypeVar("Told")


class Profile(NamedTuple):
    """`settings`: the type of its settings object.  `examples`: models that can be bound, by a word for each; what is
    told of requests is found out by asking them.  `page`: the name of its page of the documents.  `title`: the
    provider as people write it."""

    settings: type[msgspec.Struct]
    examples: Mapping[str, ExternalModel]
    page: str
    title: str


def examples(*models: ExternalModel) -> Mapping[str, ExternalModel]:
    """Examples that are called by their own names."""
    return MappingProxyType({model.name: model for model in models})


class Setting(NamedTuple):
    """A field of a settings object.  `secret`: it may also be given in plain text, as `NAME_plaintext`.  `choices`: the
    words that it may be, where it is one of few.  `refused`: it is known, and must not be given."""

    name: str
    secret: bool
    meaning: str
    choices: tuple[str, ...] = ()
    refused: bool = False


def one_of(words: Iterable[str], meaning: str) -> msgspec.Meta:
    """The annotation of a field that is one of a few words."""
    return msgspec.Meta(description=meaning, extra_json_schema={"enum": list(words)})


def refused(meaning: str) -> msgspec.Meta:
    """The annotation of a field that is known and must not be given."""
    return msgspec.Meta(description=meaning, extra_json_schema={"not": {}})


def settings_of(kind: type[msgspec.Struct], path: str = "") -> Iterator[Setting]:
    """The fields of a settings object, those of objects in it after them.  Meanings are the fields' annotations."""
    fields = msgspec.structs.fields(kind)
    names = {field.name for field in fields}
    for field in fields:
        if field.name.endswith(_PLAINTEXT) and field.name.removesuffix(_PLAINTEXT) in names:
            continue
        secret = field.name + _PLAINTEXT in names
        told = [
            _meta(field.type, lambda meta: meta.description) or "",
            f"default `{field.default}`" if isinstance(field.default, str) and field.default else "",
            f"a credential, `{{{{secrets/SCOPE/KEY}}}}`; in plain text as `{field.name}{_PLAINTEXT}`" if secret else "",
        ]
        schema = _meta(field.type, lambda meta: meta.extra_json_schema) or {}
        choices = tuple(schema.get("enum", ()))
        yield Setting(path + field.name, secret, "; ".join(filter(None, told)), choices, "not" in schema)
        inner = _object(field.type)
        if inner is not None:
            yield from settings_of(inner, f"{path}{field.name}.")


def _meta(kind: Any, of: Callable[[msgspec.Meta], Told | None]) -> Told | None:
    """What the annotation of a type, or of one of its members, says."""
    if get_origin(kind) is Annotated:
        return next((of(each) for each in get_args(kind)[1:] if isinstance(each, msgspec.Meta)), None)
    return next((told for each in get_args(kind) if (told := _meta(each, of))), None)


def _object(kind: Any) -> type[msgspec.Struct] | None:
    """The type of an object that a field may have as its value."""
    if isinstance(kind, type):
        return kind if issubclass(kind, msgspec.Struct) else None
    return next((inner for each in get_args(kind) if (inner := _object(each)) is not None), None)
