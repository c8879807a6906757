"""Bodies that nobody should send, in endless supply, and a client that sends them fast: what a server must survive."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

Body = tuple[str, bytes]  # Content-Type, and what is sent under it
FIELDS = (
    "prompt", "model", "seconds", "size", "seed", "quality", "negative_prompt", "steps", "guidance_scale", "priority", "allow_smaller",
    "tags", "tags[]", "input_reference", "satisfied", "colour", "", "x" * 300, "\r\nSet-Cookie: a=b", "prompt\x00",
)  # fmt: skip


def bodies(chance: random.Random) -> Iterator[Body]:
    makers: list[Callable[[random.Random], Body]] = [as_json, as_form, as_form, well_formed, nested, many_parts, noise]
    while True:
        kind, body = chance.choice(makers)(chance)
        yield kind, mutated(body, chance) if chance.random() < 0.4 else body


def well_formed(chance: random.Random) -> Body:
    """Of some hundred prompts, so that what is remembered of them is soon remembered."""
    words = " ".join(chance.sample(["red", "ball", "dog", "runs", "two", "kites", "sea", "night", "slow", "cup", "green", "hill"], 2))
    if chance.random() < 0.5:
        return "application/json", json.dumps({"prompt": words, "seed": chance.choice([None, 7])}).encode()
    return "multipart/form-data; boundary=b", f'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n{words}\r\n--b--'.encode()


def value(chance: random.Random, depth: int = 3) -> object:
    match chance.randrange(9 if depth else 6):
        case 0:
            return "".join(chance.choices('ab \n"\\\x00é猫🐱\ud800.', k=chance.choice([0, 1, 5, 5000])))
        case 1:
            return chance.choice([0, -1, 1, 2**63, 10**400, 1.5, -0.0, 1e308])
        case 2:
            return chance.choice([True, False, None])
        case 3:
            return chance.choice(["a red ball", "128x128", "2", "draft", "reprise-demo", "background"])
        case 4 | 5:
            return chance.choice(["draft", 20, "7", "nan", "1e5"])
        case 6:
            return [value(chance, depth - 1) for _ in range(chance.randrange(20))]
        case _:
            return {str(value(chance, 0)): value(chance, depth - 1) for _ in range(chance.randrange(5))}


def as_json(chance: random.Random) -> Body:
    fields = {chance.choice(FIELDS): value(chance) for _ in range(chance.randrange(6))}
    return "application/json", json.dumps(fields, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def as_form(chance: random.Random) -> Body:
    boundary = chance.choice(["b", "b" * 70, "b" * 4000, "", "a b", "--", "é"])
    parts = []
    for _ in range(chance.randrange(8)):
        name = chance.choice(FIELDS).replace("\r\n", "%0D%0A")
        file = chance.choice(["", "", '; filename="a.png"', "; filename*=UTF-8''%e2%82%ac.png"])
        kind = chance.choice(
            ["", "Content-Type: text/plain\r\n", "Content-Type: image/png\r\n", "X: " + "y" * chance.choice([10, 5000]) + "\r\n"]
        )
        said = str(value(chance)).encode("utf-8", "surrogatepass")
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{kind}\r\n'.encode() + said + b"\r\n")
    end = chance.choice([b"--", b"", b"--\r\nepilogue"])
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + b"--" + boundary.encode() + end


def nested(chance: random.Random) -> Body:
    opening, closing = chance.choice([("[", "]"), ('{"a":', "}")])
    deep = chance.choice([10, 1000, 100_000])
    return "application/json", (opening * deep + ("1" if opening != "[" else "") + closing * deep).encode()


def many_parts(chance: random.Random) -> Body:
    count = chance.choice([65, 1000, 5000])
    return "multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="tags"\r\n\r\nx\r\n' * count + b"--b--"


def noise(chance: random.Random) -> Body:
    kind = chance.choice(["application/json", "multipart/form-data; boundary=b", "text/plain", "", "application/json; charset=utf-7"])
    return kind, chance.randbytes(chance.choice([0, 1, 50, 20_000]))


def mutated(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 1:
                del changed[at : at + chance.randrange(1, 200)]
            case 2:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case _:
                changed[at:at] = changed[at : at + chance.randrange(1, 500)]
    return bytes(changed)


# Sending


async def send(url: str, count: int, seed: int, lanes: int = 8) -> Counter[int]:
    """How often each status came. Half to `/v1/videos` with only-if-cached, so that nothing is rendered; half as feedback."""
    told: Counter[int] = Counter()
    await asyncio.gather(*(_lane(url, count // lanes, seed * 1000 + lane, told) for lane in range(lanes)))
    return told


async def _lane(url: str, count: int, seed: int, told: Counter[int]) -> None:
    host, port = urlsplit(url).hostname, urlsplit(url).port
    chance = random.Random(seed)
    source = bodies(chance)
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for _ in range(count):
        kind, body = next(source)
        path = chance.choice(["/v1/videos", f"/v1/videos/video_{'0' * 32}/feedback"])
        encoding = chance.choice(["", "", "", "", "Content-Encoding: gzip\r\n"])
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCache-Control: only-if-cached\r\n{encoding}Content-Length: {len(body)}\r\n"
        head += f"Content-Type: {kind}\r\n\r\n" if kind else "\r\n"
        if connection is None:
            connection = await asyncio.open_connection(host, port)
        reader, writer = connection
        try:
            writer.write(head.encode("utf-8") + body)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            told[int(answer.split()[1])] += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            told[0] += 1  # the server may refuse by closing; a fresh connection must work
            connection = None
        if connection is not None and b"connection: close" in answer.lower():
            writer.close()
            connection = None
    if connection is not None:
        connection[1].close()


def held(pid: int) -> tuple[float, int]:
    """MB of resident memory, and open files, of a process (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6, len(list(Path(f"/proc/{pid}/fd").iterdir()))
