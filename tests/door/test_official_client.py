"""The official `openai` client, with only base URL, key and model changed."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.live import Live

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
STEPS = {"steps": 2}


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none needed", max_retries=0) as made:
        yield made


def test_create_and_poll_then_download_every_variant(client: openai.OpenAI) -> None:
    video = client.videos.create_and_poll(
        model="reprise-demo", prompt="a red star moving up", seconds="1", size="128x128", extra_body=STEPS  # type: ignore[arg-type]
    )  # fmt: skip
    assert (video.status, video.seconds, video.size, video.progress) == ("completed", "1.125", "128x128", 100)
    spec = client.videos.download_content(video.id).read()
    assert spec[4:8] == b"ftyp"
    sizes = {len(client.videos.download_content(video.id, variant=variant).read()) for variant in ("thumbnail", "spritesheet")}
    assert min(sizes) > 100


def test_a_hit_is_completed_in_the_first_answer_and_says_why(client: openai.OpenAI) -> None:
    client.videos.create_and_poll(model="reprise-demo", prompt="a green ring", extra_body=STEPS)
    video = client.videos.create(model="reprise-demo", prompt="A green ring.", extra_body=STEPS)
    assert video.status == "completed"
    assert video.model_extra is not None
    assert video.model_extra["reprise"]["verdict"] == "exact"


def test_settings_come_as_strings_and_are_converted(client: openai.OpenAI) -> None:
    video = client.videos.create(
        model="reprise-demo", prompt="a blue ring", extra_body={"seed": 12, "steps": 3, "guidance_scale": 2.5, "tags": ["one", "two"]}
    )
    done = client.videos.poll(video.id)
    assert done.status == "completed"


def test_errors_are_the_clients_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(model="reprise-demo", prompt="a ball", size="1280x720")
    assert refused.value.param == "size"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.videos.create(model="sora-2", prompt="a ball")
    assert unknown.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="image-to-video is not supported"):
        client.videos.create(model="reprise-demo", prompt="a ball", input_reference=("a.png", b"not looked at", "image/png"))
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_" + "0" * 32)
    with pytest.raises(openai.NotFoundError):
        client.videos.remix("video_" + "0" * 32, prompt="a ball")


def test_list_pages_by_itself_over_fifty_videos(client: openai.OpenAI) -> None:
    client.videos.create_and_poll(model="reprise-demo", prompt="a white star", extra_body=STEPS)
    made = [client.videos.create(model="reprise-demo", prompt="a white star", extra_body=STEPS).id for _ in range(53)]
    listed = [video.id for video in client.videos.list(limit=20)]
    assert listed == sorted(listed, reverse=True)
    assert len(listed) == len(set(listed)) >= 54
    assert set(made) <= set(listed)
    oldest_first = [video.id for video in client.videos.list(limit=20, order="asc")]
    assert oldest_first == sorted(listed)


def test_delete(client: openai.OpenAI) -> None:
    video = client.videos.create_and_poll(model="reprise-demo", prompt="a pink star", extra_body=STEPS)
    assert client.videos.delete(video.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(video.id)
