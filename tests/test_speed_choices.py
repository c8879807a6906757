"""REPRISE_SPEED: names, overrides, and what is refused; what they mean on a device."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from cache.settings import Settings
from cache.speed_choices import NAMED, SpeedChoices, read_speed, speed_keys
from gateway.answering.renderers import speed
from generator.speed import ChosenSpeed, Speed, choose_speed


@pytest.mark.parametrize(
    ("value", "choices"),
    [
        ("auto", SpeedChoices()),
        ("safe", NAMED["safe"]),
        ("{}", SpeedChoices()),
        ('{"cfg_batch": "off", "text_cache_mb": 0}', SpeedChoices(cfg_batch="off", text_cache_mb=0)),
        ({"warm_up": "off"}, SpeedChoices(warm_up="off")),
        (SpeedChoices(batch_clips=3), SpeedChoices(batch_clips=3)),
    ],
)
def test_what_is_written_is_read_and_told_again(value: object, choices: SpeedChoices) -> None:
    assert Settings.model_validate({"speed": value}).speed == choices
    assert read_speed(str(choices)) == choices


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("fast", "this is auto, safe, or a JSON object"),
        ("[]", "this is auto, safe, or a JSON object"),
        ('{"cfg_bach": "on"}', "there is no 'cfg_bach' (did you mean cfg_batch?); there are precision, compile, attention, cfg_batch,"),
        ('{"guidance": "together"}', "there is no 'guidance'; there are precision,"),
        ('{"cfg_batch": true}', "cfg_batch is auto, on, off, not true"),
        ('{"compile": ["off"]}', 'compile is auto, off, mixed, static, dynamic, not ["off"]'),
        ('{"attention": "sage"}', "attention is auto, native, _native_cudnn,"),
        ('{"batch_clips": 65}', "batch_clips is a whole number from 0 to 64, not 65"),
        ('{"cpu_threads": 1.5}', "cpu_threads is a whole number from 0 to 1024, not 1.5"),
        ('{"text_cache_mb": true}', "text_cache_mb is a whole number from 0 to 1000000, not true"),
    ],
)
def test_an_unknown_key_or_value_is_named_with_what_is_allowed(value: str, said: str) -> None:
    with pytest.raises(ValidationError) as told:
        Settings.model_validate({"speed": value})
    (error,) = told.value.errors()
    assert said in error["msg"]


def test_every_key_reaches_what_renders() -> None:
    """Each value of each key makes another Speed, or is what auto means; and every key has a meaning to tell."""
    for key in speed_keys().values():
        assert key.meaning.endswith(".")
        for value in key.allowed or (key.most,):
            chosen: dict[str, Any] = {key.name: value}
            given = speed(Settings(speed=SpeedChoices(**chosen)))
            assert getattr(given, key.name) == value


@pytest.mark.parametrize("cuda", [False, True])
def test_safe_is_without_any_acceleration_on_every_device(cuda: bool) -> None:
    plain = ChosenSpeed(
        precision="bfloat16", compile="off", attention=("native", "native"), cfg_batch=False, gelu_fusion=False, fp8_products=False,
        vae_precision="bfloat16", channels_last=False, vae_norm_fusion=False, vae_whole_clip=False, cudnn_benchmark=False,
    )  # fmt: skip
    assert choose_speed(Speed(**vars(NAMED["safe"])), cuda=cuda, bfloat16=True) == plain
    assert (NAMED["safe"].text_cache_mb, NAMED["safe"].batch_clips, NAMED["safe"].encode_overlap) == (0, 1, "off")


def test_auto_takes_what_was_measured_to_pay() -> None:
    gpu, cpu = (choose_speed(Speed(), cuda=cuda, bfloat16=cuda) for cuda in (True, False))
    assert (gpu.compile, gpu.cfg_batch, gpu.gelu_fusion, gpu.vae_norm_fusion, gpu.vae_whole_clip, gpu.cudnn_benchmark) == (
        "mixed",
        *[True] * 5,
    )
    assert (cpu.compile, cpu.cfg_batch, cpu.gelu_fusion, cpu.vae_norm_fusion, cpu.vae_whole_clip, cpu.cudnn_benchmark) == (
        "off",
        *[False] * 5,
    )
    assert not choose_speed(Speed(compile="off"), cuda=True, bfloat16=True).vae_whole_clip, "it pays only compiled"


def test_attention_backends_are_spelt_as_diffusers_does() -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    spelt = set(speed_keys()["attention"].allowed) - {"auto"}
    assert spelt <= {one.value for one in AttentionBackendName}
    assert json.loads(NAMED["safe"].as_json())["attention"] in spelt
