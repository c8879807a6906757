from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.memory import Edge


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with edge.client() as client:
        yield client
