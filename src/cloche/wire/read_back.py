"""Configurations that a client has read here, changed, and sends back: what only the server writes says nothing then.

An unknown field is a fault, because a misspelt one must not be lost; these are known, and mean what they meant in the
answer.  Must not judge what is left.
"""

from __future__ import annotations

from typing import Any

_WRITTEN = frozenset(("creator", "creation_timestamp", "state", "foundation_model"))
"""Fields of a served entity that are in answers only."""


def as_input(config: Any) -> Any:
    """The configuration without what is in answers only.

    An answer has its entities twice, in the newer and the older form: of the two the newer one counts.
    """
    if not isinstance(config, dict):
        return config
    config = dict(config)
    if isinstance(config.get("served_entities"), list) and _was_read(config.get("served_models")):
        del config["served_models"]
    for group in ("served_entities", "served_models"):
        if isinstance(config.get(group), list):
            config[group] = [_without(entity) for entity in config[group]]
    return config


def _was_read(models: Any) -> bool:
    return isinstance(models, list) and all(isinstance(each, dict) and "state" in each for each in models)


def _without(entity: Any) -> Any:
    if not isinstance(entity, dict):
        return entity
    return {name: value for name, value in entity.items() if name not in _WRITTEN}
