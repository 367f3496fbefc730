"""The control plane, fuzzed over its own OpenAPI document: what is no request is refused with an error that says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cloche.http import openapi
from cloche.http.routes import ROUTES

from .live import TOKEN, Live

EXAMPLES = 8
"""Requests of each kind (right and wrong) for each operation."""

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SCHEMA = schemathesis.openapi.from_dict(openapi.document(ROUTES))
OPERATIONS = [(row.method, row.path) for row in ROUTES]
JSON = "application/json"
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
KINDS = [(row.method, row.path, RIGHT) for row in ROUTES if not row.streams] + [
    (row.method, row.path, WRONG) for row in ROUTES if row.takes and row.media_type == JSON
]
"""Only a JSON body can be wrong: names in paths and forms are any text.  A stream of events has no
end to be looked at."""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server without models."""
    server = Live(tmp_path_factory.mktemp("fuzzed"), "--no-default-endpoint")
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("method", "path", "mode"), KINDS, ids=[f"{method} {path} {mode.value}" for method, path, mode in KINDS]
)
def test_no_request_breaks_the_server(live: Live, method: str, path: str, mode: GenerationMode) -> None:
    """Whatever is sent, the answer has a documented status, the documented shape and is no server error."""
    operation = SCHEMA[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: Any) -> None:
        response = case.call(base_url=live.url, headers={"Authorization": f"Bearer {TOKEN}"})
        allowed = [check for check in CHECKS if response.status_code not in (501, 503) or check is not CHECKS[0]]
        case.validate_response(response, checks=allowed)
        assert response.status_code < 400 or response.json()["message"], response.content

    fuzz()


def test_the_document_names_every_route(live: Live) -> None:
    """The document that is served has every route of the table, and is valid OpenAPI 3.1."""
    served = live.request("GET", "/openapi.json", token=None).json()
    assert {(method.upper(), path) for path, each in served["paths"].items() for method in each} == set(OPERATIONS)
    schemathesis.openapi.from_dict(served).validate()


def test_the_log_has_no_traceback(live: Live) -> None:
    """After all that no line of the log is about a defect."""
    assert Path(live.home).exists()
    assert [entry for entry in live.log() if "failed inside cloche" in str(entry.get("message"))] == []
