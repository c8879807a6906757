"""Where the parts of a model lie: the decision from sizes, and that a clip is the same wherever they lie."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cache.catalog import DEMO, WAN_TI2V_5B, AskedSettings, resolve
from cache.recipe import Recipe
from cache.setting_values import Offload
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.placing import Turn, blocks_travel, part_sizes
from generator.diffusion.wan import Wan, load_wan
from generator.main_memory import free_main_memory
from generator.model import FoundModel, find_model
from generator.placement import (
    AllResident,
    Architecture,
    BlocksTravel,
    DoesNotFit,
    EncoderInFp8,
    EncoderOnCpu,
    EncoderTravels,
    FreeMemory,
    PartsInTurn,
    PartSizes,
    WorkingSet,
    decide_placement,
    locked_bytes,
    needs,
    work_of,
)
from generator.renderer import Frames, RenderOrder
from generator.speed import Speed

GB = 10**9
# Of Wan2.2-TI2V-5B in bfloat16.
SIZES = PartSizes(
    encoder=11_360_000_000, encoder_fp8=6_730_000_000, encoder_travels=250_000_000, transformer=10_020_000_000, blocks_travel=650_000_000,
    rest=270_000_000, vae=1_410_000_000,
)  # fmt: skip
WORK = work_of(WAN_TI2V_5B, Architecture(3072, 14336, 30, (4, 32, 32), 256, 2, 2))
WAYS = (AllResident, EncoderTravels, EncoderOnCpu, PartsInTurn, BlocksTravel)  # the fastest first

bytes_of = st.integers(0, 160 * GB)
# Sizes of any model: the travelling layers are some of the whole, and what is no block is some of the transformer.
sizes_of = st.builds(
    lambda encoder, transformer, vae, share: PartSizes(
        encoder, encoder * 6 // 10, int(encoder * share / 8), transformer, int(transformer * share / 8), int(transformer * share / 8), vae
    ),
    st.integers(1, 40 * GB), st.integers(1, 60 * GB), st.integers(1, 3 * GB), st.floats(0, 1),
)  # fmt: skip
work_in = st.builds(lambda one, tiles: WorkingSet(2 * one, one, tiles), st.integers(0, 10 * GB), st.integers(0, 10 * GB))


@given(bytes_of, bytes_of, sizes_of, work_in)
def test_the_fastest_that_fits_and_may_be_is_taken(device: int, main: int, sizes: PartSizes, work: WorkingSet) -> None:
    memory = FreeMemory(device, main)
    found = decide_placement("auto", memory, sizes, work)
    if isinstance(found, DoesNotFit):
        assert all(needs(way, sizes, WorkingSet(0, 0, 0), together=False) > device or main < sizes.encoder + 2 * GB
                   or locked_bytes(way, sizes) > memory.lockable for way in WAYS)  # fmt: skip
        assert found.reason
        return
    assert found.reason
    assert locked_bytes(type(found), sizes) <= memory.lockable
    assert not isinstance(found, EncoderInFp8)
    assert found.needed == needs(type(found), sizes, work, together=found.together)
    if isinstance(found, BlocksTravel):
        assert found.spare == max(0, device - found.needed)
    if found.needed <= device:
        faster = WAYS[: WAYS.index(type(found))]
        assert all(needs(way, sizes, work, together=False) > device or locked_bytes(way, sizes) > memory.lockable for way in faster
                   if way is not EncoderOnCpu)  # fmt: skip
        assert found.together == (needs(type(found), sizes, work, together=True) <= device)
    else:
        assert "may be short" in found.reason


@given(bytes_of, st.integers(0, 20 * GB), bytes_of, sizes_of, work_in)
def test_more_memory_of_the_device_is_never_slower(device: int, more: int, main: int, sizes: PartSizes, work: WorkingSet) -> None:
    less_, more_ = (decide_placement("auto", FreeMemory(size, main), sizes, work) for size in (device, device + more))
    if isinstance(less_, DoesNotFit) or less_.needed > device:
        return
    assert not isinstance(more_, DoesNotFit)
    assert WAYS.index(type(more_)) <= WAYS.index(type(less_))


@given(st.sampled_from([*WAYS, EncoderInFp8]), bytes_of, bytes_of, sizes_of, work_in)
def test_what_is_asked_for_is_done_or_refused(way: type[AllResident], device: int, main: int, sizes: PartSizes, work: WorkingSet) -> None:
    found = decide_placement(way.word, FreeMemory(device, main), sizes, work)
    if isinstance(found, DoesNotFit):
        assert f"REPRISE_OFFLOAD={way.word} cannot be" in found.reason
    else:
        assert type(found) is way
        assert needs(way, sizes, WorkingSet(0, 0, 0), together=False) <= device
        assert ("may be short" in found.reason) == (found.needed > device)


@pytest.mark.parametrize(
    ("device", "main", "way"),
    [
        (130, 110, AllResident),
        (30, 110, AllResident),
        (22, 110, EncoderTravels),
        (22, 28, EncoderTravels),
        (22, 14, EncoderOnCpu),  # a machine of 16 GB locks no 11
        (14, 110, PartsInTurn),
        (14, 28, BlocksTravel),  # nor one of 32 GB all 23
        (10, 28, BlocksTravel),
    ],
)
def test_the_5b_on_common_cards(device: int, main: int, way: type[AllResident]) -> None:
    found = decide_placement("auto", FreeMemory(device * GB, main * GB), SIZES, WORK)
    assert type(found) is way, found


def test_what_fits_nowhere_says_why_and_what_would() -> None:
    found = decide_placement("auto", FreeMemory(22 * GB, 12 * GB), SIZES, WORK)
    assert isinstance(found, DoesNotFit)
    assert "11.4 GB would be locked in main memory, where 8.0 GB may be" in found.reason
    assert "REPRISE_OFFLOAD=encoder_fp8 would fit" in found.reason


def test_both_passes_of_guidance_apart_before_anything_slower() -> None:
    found = decide_placement("auto", FreeMemory(27 * GB, 110 * GB), SIZES, WORK)
    assert isinstance(found, AllResident)
    assert not found.together


def test_a_device_without_memory_of_its_own_keeps_everything() -> None:
    assert type(decide_placement("auto", FreeMemory(None, 0), SIZES, WORK)) is AllResident
    assert type(decide_placement("group", FreeMemory(None, 0), SIZES, WORK)) is BlocksTravel


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_larger_model_works_in_more_memory(width: int, blocks: int) -> None:
    def of(width: int, blocks: int) -> WorkingSet:
        return work_of(DEMO, Architecture(64 * width, 128 * width, blocks, (4, 16, 16), 32, 2, 2))

    assert of(width + 1, blocks).apart > of(width, blocks).apart
    assert of(width, blocks + 1).apart > of(width, blocks).apart
    assert of(width, blocks).together == 2 * of(width, blocks).apart


def test_free_main_memory_is_the_lesser_of_machine_and_container(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  32000000 kB\nMemAvailable:   20000000 kB\n")
    assert free_main_memory(tmp_path, tmp_path / "none") == 20_480_000_000
    group = tmp_path / "group"
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("5000000000\n")
    assert free_main_memory(tmp_path, group) == 20_480_000_000
    (group / "memory.max").write_text("16000000000\n")
    assert free_main_memory(tmp_path, group) == 11_000_000_000
    (group / "memory.stat").write_text("anon 4000000000\ninactive_file 900000000\n")
    assert free_main_memory(tmp_path, group) == 11_900_000_000
    assert free_main_memory(tmp_path / "none", tmp_path / "none") > 0


# The same clip, wherever its parts lie. On a CPU nothing travels far, but by the same hooks and turns.

EXACT = Speed(precision="float32")


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(tiny_model), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=2)), frames=5, width=64, height=64)


def frames(wan: Wan, recipe: Recipe, prompt: str = "a red circle moves to the left") -> Frames:
    made = wan.render([RenderOrder(prompt, recipe, 7)], lambda _: None, threading.Event())[0].frames
    assert made is not None
    return made


@pytest.fixture(scope="module")
def resident(model: FoundModel, recipe: Recipe) -> tuple[Frames, Frames]:
    wan = load_wan(model, "cpu", EXACT, 2)
    return frames(wan, recipe), frames(wan, replace(recipe, step_cache="taylor", steps=3))


@pytest.mark.parametrize("offload", ["encoder", "encoder_cpu", "model", "group"])
def test_a_clip_is_the_same_wherever_the_parts_lie(
    offload: Offload, model: FoundModel, recipe: Recipe, resident: tuple[Frames, Frames]
) -> None:
    wan = load_wan(model, "cpu", replace(EXACT, offload=offload), 2)
    assert wan.placement.word == offload
    first, again = frames(wan, recipe), frames(wan, recipe)
    np.testing.assert_array_equal(first, resident[0])
    np.testing.assert_array_equal(again, resident[0])
    np.testing.assert_array_equal(frames(wan, replace(recipe, step_cache="taylor", steps=3)), resident[1])
    with without_acceleration(wan._pipe.transformer):
        np.testing.assert_array_equal(frames(wan, recipe), resident[0])


def test_blocks_stay_where_there_is_room(model: FoundModel, recipe: Recipe, resident: tuple[Frames, Frames]) -> None:
    wan = load_wan(model, "cpu", EXACT, 2)
    blocks = wan._pipe.transformer.blocks
    room = part_sizes(wan._pipe).blocks_travel // 2 * (len(blocks) - 1)
    blocks_travel(wan._pipe.transformer, torch.device("cpu"), room)
    assert wan._pipe.transformer.blocks is blocks
    assert sum(hasattr(block, "_diffusers_hook") for block in blocks) == 1, "one at the least travels"
    np.testing.assert_array_equal(frames(wan, recipe), resident[0])
    with_room = BlocksTravel("short", True, GB, GB)
    assert str(with_room).endswith("(short); 1.0 GB are left for blocks that stay")


def test_eight_bits_change_pixels_and_so_the_revision(model: FoundModel, recipe: Recipe, resident: tuple[Frames, Frames]) -> None:
    assert model.with_offload("encoder") is model
    coarse = model.with_offload("encoder_fp8")
    assert coarse.served.revision == f"{model.served.revision}+text_fp8"
    wan = load_wan(coarse, "cpu", replace(EXACT, offload="encoder_fp8"), 2)
    stored = {weight.dtype for name, weight in wan._pipe.text_encoder.named_parameters() if ".q." in name or ".wo." in name}
    assert stored == {torch.float8_e4m3fn}
    made = frames(wan, replace(recipe, revision=coarse.served.revision))
    apart = np.abs(made.astype(int) - resident[0])
    assert 0 < apart.max() < 40


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
def test_compiled_beneath_the_hooks(model: FoundModel, recipe: Recipe, tmp_path: Path) -> None:
    short = replace(recipe, steps=1, guidance=1.0)  # one shape: a compile takes seconds
    wan = load_wan(model, "cpu", replace(EXACT, offload="group", compile="static", compiled=tmp_path), 2)
    made, forwards = frames(wan, short), [block.forward.__wrapped__ for block in wan._pipe.transformer.blocks]
    assert all(forward.on for forward in forwards), "it was compiled, and stayed so"
    with without_acceleration(wan._pipe.transformer):
        assert not any(forward.on for forward in forwards)
        written = frames(wan, short)
    assert all(forward.on for forward in forwards)
    assert np.abs(made.astype(int) - written).max() <= 1


def test_a_turn_keeps_the_weights_where_they_were(model: FoundModel) -> None:
    part = torch.nn.Linear(8, 8)
    before = part.weight.detach().clone()
    turn = Turn(part, torch.device("cpu"))
    turn.come()
    turn.come()
    turn.leave()
    torch.testing.assert_close(part.weight.detach(), before)
    kept = part.weight.data_ptr()
    turn.come()
    turn.leave()
    assert part.weight.data_ptr() == kept, "the copy in main memory is never made again"


def test_the_parts_are_measured(model: FoundModel, resident: tuple[Frames, Frames]) -> None:
    pipe = load_wan(model, "cpu", EXACT, 2)._pipe
    sizes = part_sizes(pipe)
    assert sizes.transformer == sum(weight.nbytes for weight in (*pipe.transformer.parameters(), *pipe.transformer.buffers()))
    assert sizes.encoder_fp8 < sizes.encoder
    assert 0 < sizes.rest < sizes.transformer
    assert 0 < sizes.blocks_travel <= sizes.transformer
