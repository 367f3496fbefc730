"""No endpoint is published whose URL tells that it must not be called."""

from __future__ import annotations

import pytest

from cloche.domain.errors import InvalidFields
from cloche.domain.reach import Reach
from cloche.store.database import Store

from .endpoint_plane import Plane
from .installation import configuration, openai_entity

METADATA = configuration(
    openai_entity(openai_api_key_plaintext="sk-1", openai_api_base="http://169.254.169.254/latest")
)
HERE = configuration(openai_entity(openai_api_key_plaintext="sk-1", openai_api_base="http://localhost:1/v1"))
FIELD = "config.served_entities[0].external_model.openai_config.openai_api_base"


def test_private_addresses_are_refused_when_an_endpoint_is_made(store: Store) -> None:
    """The fault names the field, and nothing of the endpoint is kept."""
    plane = Plane(store, Reach(loopback=False))
    for wanted in (METADATA, HERE):
        with pytest.raises(InvalidFields) as caught:
            plane.create(wanted)
        assert [field for field, _ in caught.value.details] == [FIELD]
    assert plane.publisher.current().endpoints == {}


def test_what_was_allowed_once_is_refused_after_a_restart_that_does_not(store: Store) -> None:
    """An endpoint stays when the operator allows less, and its callers are told why it does not answer."""
    Plane(store).create(HERE)
    after = Plane(store, Reach(loopback=False)).publisher.current().endpoints["chat"]
    assert after.problem is not None
    assert "--allow-upstream" in after.problem.message
