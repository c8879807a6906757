"""Over random traffic no tenant is ever told anything of another's private clip. A property, on a real server process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.door.tenants import Tenant
from tests.door.test_keys import ADMIN, bearer
from tests.live import Live

# The same few meanings from everyone: whatever could be found at another's would be found here.
WORDS = (
    "a red ball bouncing on grass",
    "the red ball is bouncing on the grass",
    "a blue ball bouncing on grass",
    "a white ring moving left",
    "a white ring moving right",
)
# Nobody's words differ in meaning, everyone's differ in writing: normal form drops the marks, so a found mark was leaked.
MARKS = {"ada": "!!", "bob": "??", "cyd": "!?", "dan": "?!"}
SHARING = {"cyd", "dan"}
NAMES = st.sampled_from(sorted(MARKS))
PICK = st.integers(0, 10_000)  # which of what there is: the server outlives an example, so lengths are no part of it


class World:
    """What the test knows of the server, over all examples: its clips stay."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.tenants = {name: Tenant(live, name, "--share", "all" if name in SHARING else "tenant") for name in MARKS}
        self.owners: dict[str, str] = {}  # of clips
        self.specs: dict[str, str] = {}  # digests of bytes, and the clip that they are of
        self.videos: dict[str, str] = {}  # ids of requests, and whose they are
        self.offered: set[str] = set()  # clips that were ever let into the pool
        self.checked = 0
        self.leaks: list[str] = []  # the first tells; what a replay of it finds is another matter, on a server that went on

    def close(self) -> None:
        for tenant in self.tenants.values():
            tenant.close()

    def mine(self, name: str, clip: str) -> bool:
        return self.owners.setdefault(clip, name) == name or (name in SHARING and clip in self.offered)

    def check(self, name: str, answer: httpx.Response) -> None:
        """Nothing of another's in any field or header of this answer."""
        try:
            self.look(name, answer)
        except AssertionError as leak:
            self.leaks.append(f"{name} was told: {leak}")
            raise

    def look(self, name: str, answer: httpx.Response) -> None:
        told = answer.text + str(answer.headers)
        for other, mark in MARKS.items():
            assert other == name or all(words + mark not in told for words in WORDS), (name, other, told)
        if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
            body = answer.json()
            for video in body.get("data", [body]):
                if video.get("object") == "video":
                    self.check_video(name, video, answer)

    def check_video(self, name: str, video: dict[str, Any], answer: httpx.Response) -> None:
        self.checked += 1
        assert self.videos.setdefault(video["id"], name) == name
        told = video["reprise"]
        if told["clip"] is not None:
            assert self.mine(name, told["clip"]), (name, told, self.owners[told["clip"]])
            if self.owners[told["clip"]] != name:
                assert (told["similarity"], told["confidence"], told["matched_prompt"]) == (None, None, None)
                # What the asker's own words rule out ("seed pinned") is no word about anybody's clip.
                assert [
                    refusal for refusal in told["refused"] if refusal != {"similarity": None, "reason": "seed pinned", "clip": None}
                ] == []
        else:
            assert (told["age_seconds"], told["stages_ms"], told["matched_prompt"]) == (None, {}, None)
            assert "age" not in answer.headers
            assert "hit" not in answer.headers.get("cache-status", "")
        scored = [refusal for refusal in told["refused"] if refusal["similarity"] is not None]
        if not any(owner == name for one, owner in self.videos.items() if one != video["id"]):
            assert (scored, told["similarity"]) == ([], None), "a first asker has nothing to be near to"


class Traffic(RuleBasedStateMachine):
    world: World  # set by the test

    def ask(self, name: str, words: str, headers: dict[str, str], **fields: object) -> None:
        answer = self.world.tenants[name].post(words + MARKS[name], headers=headers, **fields)
        assert answer.status_code in {200, 422, 504}, answer.text
        self.world.check(name, answer)

    @rule(name=NAMES, words=st.sampled_from(WORDS))
    def asks_and_waits(self, name: str, words: str) -> None:
        self.ask(name, words, {"Prefer": "wait=30"})

    @rule(name=NAMES, words=st.sampled_from(WORDS), seed=st.none() | st.just(7))
    def asks(self, name: str, words: str, seed: int | None) -> None:
        self.ask(name, words, {}, **({} if seed is None else {"seed": seed}))

    @rule(name=NAMES, words=st.sampled_from(WORDS), directive=st.sampled_from(["no-cache", "no-store", "only-if-cached", "max-age=5"]))
    def asks_with_a_directive(self, name: str, words: str, directive: str) -> None:
        self.ask(name, words, {"Cache-Control": directive, "Prefer": "wait=30"})

    @rule(name=NAMES, words=st.sampled_from(WORDS), key=st.sampled_from(["one", "two"]))
    def asks_under_a_key_that_others_use_too(self, name: str, words: str, key: str) -> None:
        self.ask(name, words, {"Idempotency-Key": key, "Prefer": "wait=30"})

    @rule(name=NAMES)
    def lists(self, name: str) -> None:
        self.world.check(name, self.world.tenants[name].client.get("/v1/videos?limit=100"))

    @rule(name=NAMES, pick=PICK)
    def looks_at_its_own(self, name: str, pick: int) -> None:
        own = sorted(video for video, owner in self.world.videos.items() if owner == name)
        if not own:
            return
        client, video = self.world.tenants[name].client, own[pick % len(own)]
        self.world.check(name, client.get(f"/v1/videos/{video}"))
        answer = client.get(f"/v1/videos/{video}/content")
        if answer.status_code == 200:
            clip = client.get(f"/v1/videos/{video}").json()["reprise"]["clip"]
            digest = hashlib.sha256(answer.content).hexdigest()
            assert answer.headers["etag"] == f'"{digest}"'
            assert self.world.specs.setdefault(digest, clip) == clip, "two clips of one digest: the seed is the tenant's own"
            assert self.world.mine(name, clip)

    @rule(name=NAMES, pick=PICK, asked=st.sampled_from(["", "/content", "/content?variant=thumbnail", "DELETE",
          "ERASE", "/cancel", "/feedback"]))  # fmt: skip
    def reaches_for_anothers(self, name: str, pick: int, asked: str) -> None:
        theirs = sorted(video for video, owner in self.world.videos.items() if owner != name)
        if not theirs:
            return
        client, video = self.world.tenants[name].client, theirs[pick % len(theirs)]
        never = "video_" + hashlib.sha256(video.encode()).hexdigest()[:32]
        answers = []
        for named in (video, never):
            path = f"/v1/videos/{named}"
            match asked:
                case "DELETE" | "ERASE":
                    answer = client.delete(path + ("?erase=true" if asked == "ERASE" else ""))
                case "/cancel" | "/feedback":
                    answer = client.post(path + asked, json={"satisfied": False} if asked == "/feedback" else None)
                case _:
                    answer = client.get(path + asked)
            assert answer.status_code == 404
            headers = {key: value for key, value in answer.headers.items() if key not in {"date", "x-request-id"}}
            answers.append((answer.text.replace(named, "ID"), headers))
        assert answers[0] == answers[1], "another's id is answered as one that never was"

    @rule(name=NAMES, pick=PICK, erase=st.booleans())
    def deletes_its_own(self, name: str, pick: int, erase: bool) -> None:
        own = sorted(video for video, owner in self.world.videos.items() if owner == name)
        if own:
            self.world.tenants[name].client.delete(f"/v1/videos/{own[pick % len(own)]}" + ("?erase=true" if erase else ""))

    @rule(pick=PICK)
    def an_admin_lets_in(self, pick: int) -> None:
        with self.world.live.client() as client:
            listed = client.get("/v1/shared", headers=bearer(ADMIN)).json()["data"]
            assert {one["tenant"] for one in listed} <= SHARING
            if listed:
                clip = listed[pick % len(listed)]["clip"]
                self.world.offered.add(clip)
                client.post(f"/v1/shared/{clip}", headers=bearer(ADMIN))


@pytest.fixture
def world(tmp_path: Path, tiny_model: Path) -> Iterator[World]:
    live = Live(tmp_path / "data", tiny_model, ADMIN_KEY=ADMIN, SHARE_AFTER_TENANTS=0).start()
    known = World(live)
    yield known
    known.close()
    live.close()


@pytest.mark.timeout(400)
def test_no_tenant_is_told_of_anothers(world: World) -> None:
    class OnThisServer(Traffic):
        pass

    OnThisServer.world = world
    few = settings(
        phases=[Phase.generate],
        max_examples=6,
        stateful_step_count=25,
        deadline=None,
        database=None,
        derandomize=True,  # so that the counts below hold in every run
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    try:
        run_state_machine_as_test(OnThisServer, settings=few)
    finally:
        assert world.leaks[:1] == []
    assert world.checked > 50
    assert len(set(world.owners.values())) >= 3, "several tenants had clips"
