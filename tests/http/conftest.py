from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.memory import Edge


@pytest.fixture(scope="session")
def one_edge() -> Edge:
    return Edge()


@pytest.fixture
def edge(one_edge: Edge) -> Edge:
    one_edge.reset()
    return one_edge


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with edge.client() as client:
        yield client
