"""The object store in a bucket of any S3 server; the door to `minio`.

`s3://bucket?endpoint=host:port&region=us-east-1&secure=true`, all but the bucket optional. `endpoint` is the server
(Amazon's by default), `region` goes into every signature, `secure=false` speaks plain HTTP. Keys come from the URL
(`s3://KEY:SECRET@bucket`, percent-encoded: a colon inside a key is `%3A`), else from AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. The bucket must exist. With `public=https://host` clients are redirected there for
bytes, by presigned URLs: that host must reach the same server, and the signature is made for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from cache.clip import StoredKind, StoredObject
from cache.errors import ObjectCorrupt, StoreAway
from cache.storage.bytes.objects import CHUNK, Name, VerifiedDigests, body_of, check_name, check_range, corrupt, object_name

T = TypeVar("T")

# Larger bodies are uploaded in parts of this size, each held in memory once. A video is nearly always one PUT, which is complete
# or absent; the server expires the parts of an interrupted upload.
_PART = 64 * 1024 * 1024
PATIENCE = 20.0  # seconds that a reader waits for an answer to begin, tries and all
_PAGE = 1000  # names of one listing
_MISSING = {"NoSuchKey", "NoSuchVersion"}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_s3(url: str) -> S3Objects:
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
    unknown = query.keys() - {"endpoint", "region", "secure", "public"}
    bucket = parts.netloc.rpartition("@")[2]
    if unknown or not _BUCKET.fullmatch(bucket) or parts.path.strip("/") or query.get("secure", "true") not in {"true", "false"}:
        raise ValueError("an S3 store is s3://bucket?endpoint=host:port&region=…&secure=true|false&public=…")
    key, secret = unquote(parts.username or ""), unquote(parts.password or "")
    token = None
    if not key:
        key, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
        token = os.environ.get("AWS_SESSION_TOKEN") or None
    if not key or not secret:
        raise ValueError("an S3 store needs keys: in its URL, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return S3Objects(
        bucket=bucket,
        endpoint=query.get("endpoint", "s3.amazonaws.com"),
        region=query.get("region", "us-east-1"),
        secure=query.get("secure", "true") == "true",
        key=key,
        secret=secret,
        token=token,
        public=query.get("public"),
    )


class S3Objects:
    """One client for one process: safe among threads, not across a fork. Waits 3 s to connect and 30 s for each read,
    and tries reads and writes three times in all; a store that still does not answer is StoreAway. Who reads waits PATIENCE at most.
    """

    def __init__(
        self,
        bucket: str,
        endpoint: str,
        region: str,
        secure: bool,
        key: str,
        secret: str,
        token: str | None = None,
        threads: int = 16,
        public: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="objects")
        self._verified = VerifiedDigests()
        self._http = urllib3.PoolManager(
            maxsize=threads,
            timeout=urllib3.Timeout(connect=3, read=30),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), allowed_methods=None),
        )
        # A given region saves a request before the first one.
        self._client = Minio(endpoint, key, secret, session_token=token, secure=secure, region=region, http_client=self._http)

        self._public: Minio | None = None
        if public is not None:
            place = urlsplit(public)
            if place.scheme not in {"http", "https"} or not place.netloc or place.path.strip("/"):
                raise ValueError(f"`public` of an S3 store is https://host, not {public!r}")
            self._public = Minio(place.netloc, key, secret, session_token=token, secure=place.scheme == "https", region=region)

    def presigned(self, stored: StoredObject, seconds: int) -> str | None:
        """A presigned URL for clients, valid for `seconds`; None if clients cannot reach the store. Computed without a request."""
        if self._public is None:
            return None
        return str(self._public.presigned_get_object(self._bucket, check_name(stored.name), timedelta(seconds=seconds)))

    async def put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        return await self._run(self._put, owner_id, kind, body, content_type)

    async def read(self, stored: StoredObject) -> bytes:
        return await self._run(self._read, stored, within=PATIENCE)

    async def verify(self, stored: StoredObject) -> None:
        await self._run(self._verify, stored)

    async def open(self, stored: StoredObject, start: int, length: int) -> AsyncIterator[bytes]:
        check_range(stored, start, length)
        response = await self._run(self._open, stored, start, length, within=PATIENCE)
        return self._pieces(response, stored, length)

    async def delete(self, name: str) -> None:
        self._verified.forget(check_name(name))
        await self._run(self._client.remove_object, self._bucket, name)

    async def names(self, prefix: str) -> AsyncIterator[Name]:
        after: str | None = None
        while page := await self._run(self._page, prefix, after):
            for name in page:
                yield name
            after = page[-1][0]

    async def free_bytes(self) -> int | None:
        return None

    async def check(self) -> None:
        if not await self._run(self._client.bucket_exists, self._bucket, within=PATIENCE):
            raise StoreAway(f"there is no bucket {self._bucket}")

    async def close(self) -> None:
        self._pool.shutdown(wait=False)
        self._http.clear()

    # Files next to the clips, under their own names, which gateways share: snapshots of the index.

    async def keep_file(self, name: str, source: Path) -> None:
        """Stores a file completely or not at all; replaces a file of the same name."""
        await self._run(partial(self._client.fput_object, part_size=_PART), self._bucket, name, str(source))

    async def fetch_file(self, name: str, target: Path) -> bool:
        """Downloads a file; False if there is none of this name."""
        return await self._run(self._fetch_file, name, target)

    async def drop_file(self, name: str) -> None:
        await self._run(self._client.remove_object, self._bucket, name)

    def _fetch_file(self, name: str, target: Path) -> bool:
        try:
            self._client.fget_object(self._bucket, name, str(target))
        except S3Error as error:
            if error.code in _MISSING:
                return False
            raise
        return True

    async def _run(self, work: Callable[..., T], *args: object, within: float | None = None) -> T:
        """`within`: seconds for somebody who waits; a try that hangs longer goes on in its thread, for nobody."""
        try:
            async with asyncio.timeout(within):
                return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args))
        except TimeoutError as error:
            raise StoreAway("the object store does not answer in time") from error
        except S3Error as error:
            raise StoreAway(f"the object store refused: {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreAway(f"the object store does not answer: {type(error).__name__}") from error

    def _put(self, owner_id: str, kind: StoredKind, body: Path | bytes, content_type: str) -> StoredObject:
        digest, length = hashlib.sha256(), 0
        with body_of(body) as pieces:
            for piece in pieces():
                digest.update(piece)
                length += len(piece)
            name = object_name(owner_id, digest.hexdigest(), content_type)
            stored = StoredObject(kind, name, digest.hexdigest(), length, content_type)
            if not self._whole(stored):
                source: Any = BytesIO(body) if isinstance(body, bytes) else body.open("rb")
                with source:
                    # The key contains the digest of the first read, so a file that changes in between never passes verification.
                    written = self._client.put_object(
                        self._bucket, name, source, length, content_type, part_size=_PART if length > _PART else 0
                    )
                self._verified.keep(name, (_plain(written.etag), length))
        return stored

    def _whole(self, stored: StoredObject) -> bool:
        try:
            self._verify(stored)
        except ObjectCorrupt:
            return False
        return True

    def _fetch(self, stored: StoredObject, start: int, length: int) -> tuple[Any, object]:
        """The open response, and the object's version mark. Raises ObjectCorrupt if the object is missing or has another length."""
        try:
            response: Any = self._client.get_object(self._bucket, check_name(stored.name), offset=start, length=length)
        except S3Error as error:
            if error.code in _MISSING:
                raise corrupt(stored, "is missing") from error
            if error.code == "InvalidRange":
                raise corrupt(stored, f"has fewer than {stored.length} bytes") from error
            raise
        asked = (start, length or stored.length)
        whole = response.headers.get("content-range", "").rpartition("/")[2] or response.headers.get("content-length", "")
        fault: ObjectCorrupt | StoreAway | None = None
        if whole != str(stored.length):
            fault = corrupt(stored, f"has {whole} bytes, not {stored.length}")
        elif "content-range" not in response.headers and asked != (0, stored.length):
            fault = StoreAway("the object store ignores byte ranges")
        if fault:
            _release(response)
            raise fault
        return response, (_plain(response.headers.get("etag")), stored.length)

    def _read(self, stored: StoredObject) -> bytes:
        response, mark = self._fetch(stored, 0, 0)
        try:
            held: bytes = response.read()
        finally:
            _release(response)
        if hashlib.sha256(held).hexdigest() != stored.sha256:
            raise corrupt(stored, "does not match its digest")
        self._verified.keep(stored.name, mark)
        return held

    def _verify(self, stored: StoredObject) -> None:
        self._verified.forget(stored.name)
        (response, mark), digest = self._fetch(stored, 0, 0), hashlib.sha256()
        try:
            for piece in response.stream(CHUNK):
                digest.update(piece)
        finally:
            _release(response)
        if digest.hexdigest() != stored.sha256:
            raise corrupt(stored, "does not match its digest")
        self._verified.keep(stored.name, mark)

    def _open(self, stored: StoredObject, start: int, length: int) -> Any:
        if not length:
            return self._verify(stored)
        response, mark = self._fetch(stored, start, length)
        if self._verified.holds(stored.name, mark):
            return response
        _release(response)
        self._verify(stored)
        return self._fetch(stored, start, length)[0]

    async def _pieces(self, response: Any, stored: StoredObject, length: int) -> AsyncIterator[bytes]:
        if response is None:
            return
        try:
            while length:
                piece: bytes = await self._run(response.read, min(CHUNK, length))
                if not piece:
                    raise corrupt(stored, "was cut short while it was read")
                length -= len(piece)
                yield piece
        finally:
            # A reader that stops early would leave a socket full of video; closing it is cheaper than draining it.
            _release(response)

    def _page(self, prefix: str, after: str | None) -> list[Name]:
        page: list[Name] = []
        for facts in self._client.list_objects(self._bucket, prefix=prefix, recursive=True, start_after=after):
            page.append((facts.object_name, facts.size or 0, facts.last_modified.timestamp() if facts.last_modified else 0.0))
            if len(page) == _PAGE:
                break
        return page


def _release(response: Any) -> None:
    response.close()
    response.release_conn()


def _plain(etag: str | None) -> str:
    return (etag or "").strip('"')
