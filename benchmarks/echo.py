"""The floor that benchmarks/hit.py measures against: a bare Litestar handler that echoes a JSON body of the same size."""

from __future__ import annotations

import sys

import uvicorn
from litestar import Litestar, Response, post


@post("/", status_code=200)
async def echo(data: dict[str, object]) -> Response[dict[str, object]]:
    return Response(data)


if __name__ == "__main__":
    app = Litestar([echo], openapi_config=None, logging_config=None)
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", access_log=False)
