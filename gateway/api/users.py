"""`/v1/users`: what is held of one end user of the tenant, and its erasure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote_to_bytes

from litestar import delete, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from cache.errors import Invalid
from cache.prompt import check_text
from cache.storage.requests.end_users import KeptRequest
from gateway.answering.end_users import EndUsers
from gateway.api.videos import after_of, limit_of
from gateway.auth.access import caller_of
from gateway.http.body import read_query
from gateway.http.byte_stream import ByteStream
from gateway.http.reply import JSON, AnyRequest, Reply
from gateway.http.texts import LONGEST_USER
from gateway.http.user_objects import deleted_user, user_page, user_request
from gateway.http.wire import encode_json

LINES = b"application/jsonl"
_UNKEPT = (b"cache-control", b"no-store")


class Users:
    """The routes of end users: of the caller's own tenant, and of no other."""

    def __init__(self, end_users: EndUsers) -> None:
        self._end_users = end_users

    def routes(self) -> list[HTTPRouteHandler]:
        return [
            delete("/v1/users/{user:str}", status_code=200)(self.erase),
            route("/v1/users/{user:str}/requests", http_method=["GET", "HEAD"], status_code=200)(self.requests),
        ]

    async def erase(self, request: AnyRequest, user: FromPath[str]) -> Reply:
        read_query(request.scope["query_string"], [])
        end_user = user_of(request.scope.get("raw_path"), user)
        return Reply(encode_json(deleted_user(end_user, await self._end_users.erase(caller_of(request), end_user))))

    async def requests(self, request: AnyRequest, user: FromPath[str]) -> ByteStream:
        caller, end_user = caller_of(request), user_of(request.scope.get("raw_path"), user)
        asked = read_query(request.scope["query_string"], ["after", "limit", "format"])
        after, limit = after_of(asked.get("after")), limit_of(asked.get("limit"))
        match asked.get("format", "json"):
            case "json":
                found, more = await self._end_users.page(caller, end_user, after, limit)
                body = encode_json(user_page(end_user, found, more))
                headers, pieces = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))], _once(body)
            case "jsonl":
                kept = self._end_users.all(caller, end_user, after, limit if "limit" in asked else None)
                headers, pieces = [(b"content-type", LINES)], _lines(end_user, kept)
            case other:
                raise Invalid("format", f"format must be json or jsonl, not {other[:40]!r}")
        return ByteStream(200, [*headers, _UNKEPT], None if request.method == "HEAD" else pieces)


async def _lines(end_user: str, found: AsyncIterator[KeptRequest]) -> AsyncIterator[bytes]:
    async for kept in found:
        yield encode_json(user_request(end_user, kept)) + b"\n"


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def user_of(raw_path: bytes | None, routed: str) -> str:
    """The id of a user, from the path as it was sent: a `/` in it is `%2F` there, and no border. `routed`: the same, where nothing was
    sent. Raises Invalid.
    """
    try:
        said = routed if raw_path is None else unquote_to_bytes(raw_path.partition(b"/v1/users/")[2].partition(b"/")[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid("user", "user must be percent-encoded UTF-8") from None
    if not check_text(said, "user", LONGEST_USER):
        raise Invalid("user", f"user must be a string of 1 to {LONGEST_USER} characters")
    return said
