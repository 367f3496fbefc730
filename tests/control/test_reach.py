"""No endpoint is published whose URL tells that it must not be called."""

from __future__ import annotations

import pytest

from cloche.domain.endpoint import ExternalModel, ServedEntity
from cloche.domain.errors import InvalidFields
from cloche.domain.reach import Reach
from cloche.store.database import Store

from .endpoint_plane import Plane
from .installation import configuration, openai_entity

METADATA = configuration(
    openai_entity(openai_api_key_plaintext="sk-1", openai_api_base="http://169.254.169.254/latest")
)
HERE = configuration(openai_entity(openai_api_key_plaintext="sk-1", openai_api_base="http://localhost:1/v1"))
KEY = """{
  "type": "external_account",
  "audience": "a",
  "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
  "token_url": "https://sts.googleapis.com/v1/token",
  "credential_source": {"url": "http://10.1.2.3/token"}
}"""
FIELD = "config.served_entities[0].external_model.openai_config.openai_api_base"


def test_private_addresses_are_refused_when_an_endpoint_is_made(store: Store) -> None:
    """The fault names the field, and nothing of the endpoint is kept."""
    plane = Plane(store, Reach(loopback=False))
    for wanted in (METADATA, HERE):
        with pytest.raises(InvalidFields) as caught:
            plane.create(wanted)
        assert [field for field, _ in caught.value.details] == [FIELD]
    assert plane.publisher.current().endpoints == {}


def test_urls_inside_the_json_of_a_key_are_judged(store: Store) -> None:
    """Also those of a secret that is referred to; the fault names the place, and quotes nothing else of it."""
    plane = Plane(store, Reach())
    settings = {"project_id": "p-1", "region": "us-east1", "private_key_plaintext": KEY}
    model = ExternalModel("gemini-2.5-flash", "google-cloud-vertex-ai", "llm/v1/chat", settings)
    with pytest.raises(InvalidFields) as caught:
        plane.create(configuration(ServedEntity("it", model)))
    [(field, what)] = caught.value.details
    assert field.endswith("google_cloud_vertex_ai_config.private_key_plaintext.credential_source.url")
    assert what.startswith("10.1.2.3 is no public address")


def test_the_machine_s_own_token_may_be_had_where_it_is(store: Store) -> None:
    """The metadata service, as the source of an identity, is none of the URLs that are judged: whether it is asked at
    all is the operator's to say, when it is."""
    plane = Plane(store, Reach())
    key = KEY.replace("http://10.1.2.3/token", "http://169.254.169.254/metadata/identity")
    settings = {"project_id": "p-1", "region": "us-east1", "private_key_plaintext": key}
    model = ExternalModel("gemini-2.5-flash", "google-cloud-vertex-ai", "llm/v1/chat", settings)
    plane.create(configuration(ServedEntity("it", model)))
    assert plane.publisher.current().endpoints["chat"].problem is None


def test_what_was_allowed_once_is_refused_after_a_restart_that_does_not(store: Store) -> None:
    """An endpoint stays when the operator allows less, and its callers are told why it does not answer."""
    Plane(store).create(HERE)
    after = Plane(store, Reach(loopback=False)).publisher.current().endpoints["chat"]
    assert after.problem is not None
    assert "--allow-upstream" in after.problem.message
