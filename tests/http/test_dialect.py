"""The fields of vLLM-Omni and SGLang: taken where they mean what we have, refused by the client's own name where they do not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cache.catalog import DEMO, WAN_TI2V_5B, ServedModel
from cache.errors import Invalid, NotFound
from gateway.answering.models import Models
from gateway.auth.access import LOCAL
from gateway.http.dialect import translated
from gateway.http.wire import video_ask
from tests.http.test_body import Parts, asked, form_of, from_form, from_json, read

KEY = {b"idempotency-key": b"k"}


def both(said: dict[str, Any]) -> Any:
    """The ask, which JSON and a form agree on."""
    ask = from_json({"prompt": "a kite", **said}, KEY)
    assert from_form({"prompt": "a kite", **said}, KEY) == ask
    return ask


def refused(said: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as by_form:
        from_form({"prompt": "a kite", **said})
    with pytest.raises(Invalid) as by_json:
        from_json({"prompt": "a kite", **said})
    assert (by_form.value.field, by_form.value.message) == (by_json.value.field, by_json.value.message)
    return by_json.value


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"width": 128, "height": 128}, {"size": "128x128"}),
        ({"num_frames": 17}, {"seconds": 2}),
        ({"num_frames": 16}, {"seconds": 2}),
        ({"num_frames": 9, "fps": 8}, {"seconds": 1}),
        ({"num_frames": 5}, {"seconds": 0.5}),
        ({"num_inference_steps": 9}, {"steps": 9}),
        ({"num_inference_steps": DEMO.steps["draft"]}, {"steps": DEMO.steps["draft"]}),
        ({"fps": DEMO.fps, "flow_shift": DEMO.flow_shift, "n": 1}, {}),
        ({"extra_params": {}}, {}),
        ({"extra_params": {"fps": 8, "seed": 7}, "fps": 8, "seed": 7}, {"seed": 7}),
        ({"extra_params": {"num_inference_steps": 9, "seed": 7, "guidance_scale": 3.5, "negative_prompt": "fog"}},
         {"steps": 9, "seed": 7, "guidance_scale": 3.5, "negative_prompt": "fog"}),
        ({"extra_params": {"width": 128, "height": 128, "flow_shift": 3}}, {"size": "128x128"}),
    ],
)  # fmt: skip
def test_theirs_mean_ours(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert both(theirs) == both(ours), "to the digest of the body"


@pytest.mark.parametrize(
    ("theirs", "field", "told"),
    [
        ({"width": 1280, "height": 720}, "width", "width, height: reprise-demo makes 128x128; not '1280x720'"),
        ({"width": 128}, "width", "go together"),
        ({"height": 128}, "height", "go together"),
        ({"width": 128, "height": 128, "size": "128x128"}, "width", "give size or width, height, not both"),
        ({"width": 0, "height": 128}, "width", "from 1 to"),
        ({"fps": 16}, "fps", "reprise-demo makes 8 fps; not 16"),
        ({"fps": "fast"}, "fps", "must be an integer"),
        ({"flow_shift": 12}, "flow_shift", "a flow shift of 3; not 12"),
        ({"n": 2}, "n", "one video"),
        ({"num_frames": 18}, "num_frames", "reprise-demo makes 4n + 1 frames (4n means the same), from 5 to 17; not 18"),
        ({"num_frames": 80}, "num_frames", "from 5 to 17"),
        ({"num_frames": 1}, "num_frames", "from 5 to 17"),
        ({"num_frames": 17, "seconds": "2"}, "num_frames", "give seconds or num_frames, not both"),
        ({"num_inference_steps": 101}, "num_inference_steps", "from 1 to 100"),
        ({"num_inference_steps": 9, "steps": 9}, "num_inference_steps", "not both"),
        ({"num_inference_steps": 9, "quality": "draft"}, "num_inference_steps", "give quality or steps, not both"),
        ({"extra_params": {"lora": "x"}}, "extra_params.lora", "extra_params has no 'lora' here; known: width, "),
        ({"extra_params": {"fps": 16}}, "extra_params.fps", "makes 8 fps"),
        ({"extra_params": {"width": 64, "height": 64}}, "width", "makes 128x128"),
        ({"extra_params": {"seed": "x"}}, "extra_params.seed", "extra_params.seed: seed must be an integer"),
        ({"extra_params": {"fps": 8}, "fps": 16}, "extra_params.fps", "fps is 16, but 8 inside extra_params"),
        ({"extra_params": {"seed": 8}, "seed": 9}, "extra_params.seed", "seed is 9, but 8 inside extra_params"),
        ({"guidance_scale_2": 4.0}, "guidance_scale_2", "unknown field"),
        ({"generate_sound": False}, "generate_sound", "unknown field"),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_refused_by_name(theirs: dict[str, Any], field: str, told: str) -> None:
    error = refused(theirs)
    assert error.field == field
    assert told in error.message


@pytest.mark.parametrize(
    "said",
    [{"width": True}, {"width": [128]}, {"width": {"a": 1}}, {"num_frames": 16.5}, {"fps": "8 "}, {"extra_params": 5},
        {"extra_params": "["}, {"extra_params": [1]}, {"metadata[a]": "b"}, {"extra_params[fps]": 8}, {"n": -1}, {"fps": 10**30}],
)  # fmt: skip
def test_other_types_are_refused_in_json(said: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as told:
        from_json({"prompt": "a", **({"height": 128} if "width" in said else {}), **said})
    assert (told.value.field or "").split(".")[0] in said


def test_null_is_not_given() -> None:
    assert from_json(
        {"prompt": "a kite", **dict.fromkeys(["width", "height", "num_frames", "fps", "n", "flow_shift", "extra_params"])}
    ) == (from_json({"prompt": "a kite"}))


def test_forms_of_objects() -> None:
    """As JSON in one field, or a field for each: the official client writes what stands inside `extra_body` so."""
    whole = from_json({"prompt": "a kite", "metadata": {"a": "1", "b": "x"}, "extra_params": {"fps": 8, "seed": 7}})
    parts: Parts = [("prompt", (None, b"a kite")), ("metadata[a]", (None, b"1")), ("metadata[b]", (None, b"x")),
                    ("extra_params[fps]", (None, b"8")), ("extra_params[seed]", (None, b"7"))]  # fmt: skip
    assert asked(read(*form_of(parts))) == whole
    assert whole.metadata == {"a": "1", "b": "x"}
    assert whole.seed == 7
    for more in ([("metadata", b"{}")], [("metadata[a]", b"2")], [("width[]", b"1")], [("fps", b"8"), ("fps", b"8")]):
        with pytest.raises(Invalid) as told:
            asked(read(*form_of([*parts, *((name, (None, text)) for name, text in more)])))
        assert told.value.field in {"metadata", "width[]", "fps"}
    with pytest.raises(Invalid, match="not a file"):
        asked(read(*form_of([*parts, ("width", ("w.txt", b"1"))])))


def test_frames_of_another_model() -> None:
    """80 frames at 16 fps, as vLLM-Omni's first example has it, are five seconds; 4n + 1 is what it renders, too."""
    models = Models([ServedModel(replace(WAN_TI2V_5B, fps=16), "r", "upstream"), ServedModel(DEMO, "r", "pipeline")], {})
    said = {"prompt": "a lake", "width": 1280, "height": 704, "num_frames": 80, "fps": 16, "num_inference_steps": 40}
    recipe = video_ask(dict(said), {}, LOCAL, models, 60).recipe
    assert (recipe.size, recipe.frames, recipe.fps, recipe.steps) == ("1280x704", 81, 16, 40)
    with pytest.raises(Invalid, match="reprise-demo makes 8 fps"):
        video_ask({**said, "model": DEMO.name}, {}, LOCAL, models, 60)
    with pytest.raises(NotFound, match="not served"):
        video_ask({**said, "model": "nobody's"}, {}, LOCAL, models, 60)


def test_every_length_of_a_model_can_be_said_in_frames() -> None:
    for row in (DEMO, WAN_TI2V_5B, replace(WAN_TI2V_5B, fps=30), replace(DEMO, fps=7, longest_seconds=3)):
        models = Models([ServedModel(row, "r", "pipeline")], {})
        for frames in range(5, row.frames(row.longest_seconds) + 1, 4):
            for said in (frames, frames - 1):
                assert video_ask({"prompt": "a", "num_frames": said}, {}, LOCAL, models, 60).recipe.frames == frames


def test_a_body_without_the_dialect_is_left_alone() -> None:
    fields = json.loads('{"prompt": "a", "seconds": "2"}')
    assert translated(fields, Models([], {})).fields is fields
