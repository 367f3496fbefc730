"""Servers that test files share: each exists with the fast lane and with plain ASGI, and starts once for a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from edge_server import Edge, serving
from edge_upstream import whole


@pytest.fixture(scope="session", params=[True, False], ids=["lane", "asgi"])
def shared_edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A patient server."""
    with serving(tmp_path_factory.mktemp("edge"), lane=request.param, max_body=1 << 24) as edge:
        yield edge
        assert "Traceback" not in edge.log, edge.log


@pytest.fixture
def edge(shared_edge: Edge) -> Edge:
    """A patient server whose provider answers as it is asked to, until the test says otherwise."""
    shared_edge.provider.play = whole
    shared_edge.provider.asked.clear()
    return shared_edge


@pytest.fixture(scope="session", params=[True, False], ids=["lane", "asgi"])
def shared_hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A server that waits for nobody longer than a second, and takes bodies of 64 KiB."""
    seconds: dict[str, Any] = {
        "request_read_seconds": 1,
        "keep_alive_seconds": 1,
        "upstream_first_byte_seconds": 1,
        "upstream_between_bytes_seconds": 1,
    }
    with serving(tmp_path_factory.mktemp("hasty"), lane=request.param, max_body=65536, **seconds) as edge:
        yield edge
        assert "Traceback" not in edge.log, edge.log


@pytest.fixture
def hasty(shared_hasty: Edge) -> Edge:
    """A hasty server whose provider answers as it is asked to, until the test says otherwise."""
    shared_hasty.provider.play = whole
    return shared_hasty
