from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.memory import Edge
from tests.http.truth import hold


@pytest.fixture(scope="session")
def one_edge() -> Edge:
    return Edge()


@pytest.fixture
def edge(one_edge: Edge) -> Edge:
    one_edge.reset()
    return one_edge


@pytest.fixture
async def client(edge: Edge, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """Every answer is held against the API's document, except where a test makes the server fail in ways that it never does."""
    async with edge.client() as client:
        if request.node.get_closest_marker("untold") is None:
            client.event_hooks = {"response": [hold]}
        yield client
