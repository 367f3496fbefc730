"""Requests that real providers accepted are requests to cloche, and reach the provider as they were."""

from __future__ import annotations

import json

import pytest

from cloche.domain.errors import BadRequest
from cloche.domain.outbound import Origin
from cloche.providers.openai_shaped import OpenAIShaped
from cloche.providers.site import Site
from cloche.wire.openai import read_chat

from .recordings import MISSING, Recording, recordings

pytestmark = pytest.mark.skipif(not recordings(), reason=MISSING)

ACCEPTED = [recording for recording in recordings() if recording.status == 200]
REFUSED = [recording for recording in recordings() if recording.status == 400]
PROVIDER = OpenAIShaped("m", Site("openai", Origin("h", 80), b""))
OURS = {"model", "stream", "stream_options"}


@pytest.mark.parametrize("recording", ACCEPTED, ids=lambda recording: recording.name)
def test_what_a_provider_accepted_is_accepted(recording: Recording) -> None:
    """Strictness ends where a real provider's leniency begins; no field is lost on the way there."""
    for ascii_only in (True, False):
        request = read_chat(json.dumps(recording.request, ensure_ascii=ascii_only).encode())
        sent = json.loads(b"".join(bytes(piece) for piece in PROVIDER.encode(request, stream=True).body))
        expected = {name: value for name, value in recording.request.items() if name not in OURS}
        assert {name: value for name, value in sent.items() if name not in OURS} == expected


def test_what_a_provider_refused_is_mostly_its_own_to_refuse() -> None:
    """Few of the requests that providers refused are refused here: the others depend on the model."""
    refused = []
    for recording in REFUSED:
        try:
            read_chat(json.dumps(recording.request).encode())
        except BadRequest as problem:
            refused.append(problem.message)
    assert sorted(refused) == ["max_tokens: expected int >= 1", "messages: expected array of length >= 1"]
