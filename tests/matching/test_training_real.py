"""What trains the verifier on what people send: Chinese, lists of tags, and a network without padding."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from cache.prompt import is_chinese
from training.judge.grammar import Teller
from training.judge.grammar_zh import TellerZh
from training.judge.groups import Group, drawn, held, told_twice
from training.judge.mandarin import Mandarin
from training.judge.tags import apart, dressed, mistyped, parted

torch = pytest.importorskip("torch")

BALL: Group = {
    "base": "a red ball",
    "same": ["red ball", "one ball, red"],
    "less": ["a ball"],
    "more": ["a red ball on grass"],
    "wrong": ["a blue ball"],
}
QIU: Group = {
    "of": "a red ball", "base": "一只红球", "same": ["红色的球一只", "红球"], "less": ["一只球"],
    "more": ["草地上一只红球"], "wrong": ["一只蓝球"],
}  # fmt: skip


def test_a_translation_is_held_back_with_its_original() -> None:
    ((one, other),) = told_twice([BALL, QIU])
    assert (one, other) == (BALL, QIU)
    assert held(QIU["of"]) == held(BALL["base"].upper())
    rng = random.Random(1)
    for _ in range(200):
        new, cached, label, _ = drawn(BALL, rng, QIU)
        assert is_chinese(new) != is_chinese(cached)
        right = new in {BALL["base"], QIU["base"], *BALL["same"], *QIU["same"], *BALL["less"], *QIU["less"]}
        shown = cached in {BALL["base"], QIU["base"], *BALL["same"], *QIU["same"], *BALL["more"], *QIU["more"]}
        assert label == (right and shown)


def test_scenes_are_told_in_chinese_with_all_their_words() -> None:
    rng = random.Random(2)
    english, chinese = Teller(rng), TellerZh(rng)
    for _ in range(500):
        told = chinese.tell(english.scene())
        assert is_chinese(told)
        assert "#" not in told


def test_an_edit_in_chinese_changes_a_word_and_nothing_else() -> None:
    mandarin = Mandarin(random.Random(3))
    assert mandarin.edited("天气预报") is None
    edits = {mandarin.edited("红色的汽车向左开") for _ in range(60)}
    assert None not in edits and "红色的汽车向左开" not in edits
    assert "红色的汽车向右开" in edits


def test_tags_part_and_dress_and_stay_what_they_are() -> None:
    assert parted("an old wizard reading, oil painting, 8k") == ("an old wizard reading", ["oil painting", "8k"])
    assert apart("a whale over a city", "an old wizard reading, oil painting")
    assert not apart("an old wizard", "an old wizard reading, oil painting")
    rng = random.Random(4)
    assert all(len(mistyped("a lighthouse", rng)) in range(11, 14) for _ in range(50))
    assert all("狗" in dressed("一只狗", rng) for _ in range(50))


def test_the_network_without_padding_says_what_transformers_say() -> None:
    transformers = pytest.importorskip("transformers")
    from training.judge.network import Network
    from training.judge.packing import pack

    words = {word: at for at, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "dog", "cat", "runs", "sleeps"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=48, num_hidden_layers=2, num_attention_heads=12, intermediate_size=96, num_labels=1
    )
    bert = transformers.BertForSequenceClassification(config).eval()
    state = {name.removeprefix("bert."): value.numpy() for name, value in bert.state_dict().items() if "position_ids" not in name}
    pairs = [("a dog runs", "a cat"), ("a cat sleeps", "a dog runs"), ("a", "dog")]
    encodings = tokenizer.encode_batch(pairs)
    packed = pack(encodings, 64, 8, whole=True)
    with torch.no_grad():
        ours = Network(state).eval()(*packed.step(0, torch.device("cpu")), 64)[: len(pairs)]
        theirs = [
            bert(torch.tensor([one.ids]), token_type_ids=torch.tensor([one.type_ids])).logits[0, 0] for one in encodings
        ]  # fmt: skip
    # Words are kept in bfloat16.
    assert np.allclose(ours.numpy(), torch.stack(theirs).numpy(), atol=0.01)
