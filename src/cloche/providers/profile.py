"""What a provider tells of itself, so that the command line and the pages need no list of their own.

It stands in the provider's file, beside the settings that it tells of.  Must not know any provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec

from cloche.domain.endpoint import ExternalModel

_PLAINTEXT = "_plaintext"


class Profile(NamedTuple):
    """`settings`: the type of its settings object.  `examples`: models that can be bound, by a word for each; what is
    told of requests is found out by asking them.  `page`: the name of its page of the documents."""

    settings: type[msgspec.Struct]
    examples: Mapping[str, ExternalModel]
    page: str


def examples(*models: ExternalModel) -> Mapping[str, ExternalModel]:
    """Examples that are called by their own names."""
    return MappingProxyType({model.name: model for model in models})


class Setting(NamedTuple):
    """A field of a settings object.  `secret`: it may also be given in plain text, as `NAME_plaintext`."""

    name: str
    secret: bool
    meaning: str


def settings_of(kind: type[msgspec.Struct], path: str = "") -> Iterator[Setting]:
    """The fields of a settings object, those of objects in it after them.  Meanings are the fields' annotations."""
    fields = msgspec.structs.fields(kind)
    names = {field.name for field in fields}
    for field in fields:
        if field.name.endswith(_PLAINTEXT) and field.name.removesuffix(_PLAINTEXT) in names:
            continue
        secret = field.name + _PLAINTEXT in names
        told = [
            _description(field.type),
            f"default `{field.default}`" if isinstance(field.default, str) and field.default else "",
            f"a credential, `{{{{secrets/SCOPE/KEY}}}}`; in plain text as `{field.name}{_PLAINTEXT}`" if secret else "",
        ]
        yield Setting(path + field.name, secret, "; ".join(filter(None, told)))
        inner = _object(field.type)
        if inner is not None:
            yield from settings_of(inner, f"{path}{field.name}.")


def _description(kind: Any) -> str:
    """What the annotation of a type, or of one of its members, says."""
    if get_origin(kind) is Annotated:
        return next((each.description or "" for each in get_args(kind)[1:] if isinstance(each, msgspec.Meta)), "")
    return next((told for each in get_args(kind) if (told := _description(each))), "")


def _object(kind: Any) -> type[msgspec.Struct] | None:
    """The type of an object that a field may have as its value."""
    if isinstance(kind, type):
        return kind if issubclass(kind, msgspec.Struct) else None
    return next((inner for each in get_args(kind) if (inner := _object(each)) is not None), None)
