"""The models of a host in JSON: bodies in, documents out.  Must not know where a model's facts come from."""

from __future__ import annotations

from typing import Any

import msgspec


class PullModel(msgspec.Struct, frozen=True):
    """POST …/pull.  `spec`: a known name, or `hf:ORG/REPO/FILE.gguf`.  `name`: what to call it here."""

    spec: str
    name: str | None = None


class ModelShown(msgspec.Struct, frozen=True):
    """One model.  `state`: in the API's words for a deployment; null where no endpoint names it."""

    name: str
    size: int
    context_length: int
    licence: str
    source: str
    sha256: str
    state: str | None
    endpoints: list[str]


class KnownModel(msgspec.Struct, frozen=True):
    """A model that can be fetched by its name.  `present`: it is here."""

    name: str
    size: int
    licence: str
    present: bool


class Memory(msgspec.Struct, frozen=True):
    """Of the host, in bytes."""

    total: int
    available: int


class Models(msgspec.Struct, frozen=True):
    """GET /api/2.0/models.  `pulls`: the newest first.  `memory`: null where the system does not tell."""

    models: list[ModelShown]
    known: list[KnownModel]
    pulls: list[Any]
    memory: Memory | None
