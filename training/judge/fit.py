"""Fit the table: sentences of permitted sources that were held back from training, and generated ones from them.

python -m training.judge.fit score MATERIAL DATA SCORED.json.gz
python -m training.judge.fit DATA prior FLOOR
python -m training.judge.fit fit SCORED.json.gz TABLE.json '{"prior": {"english": 0.5, "chinese": 0.5}, "floor": {…}, "least": {…}, "between": 0.65, "down_to": {…}}'
"""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from cache.matching.calibration import FEATURES, features
from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.verifier import Verifier
from cache.matching.judge import by_rule
from cache.matching.rules.slots import read
from cache.prompt import is_chinese
from training.judge.build import Material, stream
from training.judge.groups import drawn, held, told_twice
from training.judge.sources import Row, permitted
from training.judge.sources import rows as prompts

MODELS = Path(".reprise/models")
PER_KIND = 300
FEWEST = 40  # rows of a kind that may weigh as much as another


def held_back(material: Path, data: Path) -> list[tuple[str, str, int, str]]:
    made = json.loads(gzip.open(material / "material.json.gz", "rt").read())
    real = json.loads(gzip.open(material / "real.json.gz", "rt").read())
    rng = random.Random(5)
    by_kind: dict[str, list[tuple[str, str, int, str]]] = defaultdict(list)
    rows = [Row(**row) for row in made["rows"] if row["held"]]
    chinese = [Row(**row) for row in real["chinese"] if row["held"]]
    for row in [*rows, *chinese]:
        by_kind[row.kind].append((row.new, row.cached, row.label, row.kind))
    found = [pair for kind in sorted(by_kind) for pair in rng.sample(by_kind[kind], min(PER_KIND, len(by_kind[kind])))]
    net, near = pickle.loads(gzip.open(material / "wordnet.pickle.gz").read())
    texts = [text for text, held in made["texts"] if held]
    alike = [tuple(pair) for pair in made["alike_held"]]
    groups = [group for group, held, _ in real["groups"] if held]
    kept_back = set(real["kept_back"])
    lists = [
        row["prompt"] for row in prompts(data / "trace_diffusiondb_10k_dev.jsonl.gz") if row["prompt"].isascii() and held(row["prompt"])
    ]
    lists = sorted({text for text in lists if text.count(",") >= 2 and len(text.split()) <= 90 and text.lower() not in kept_back})
    material_ = Material(
        rows, texts, alike, net, near, groups, lists, [], _others(rows), chinese, [text for text, held in real["chinese_texts"] if held]
    )  # fmt: skip
    shares = {"rewritten": 0.42, "told": 0.3, "long": 0.08, "clauses": 0.04, "told_chinese": 0.08, "told_between": 0.08}
    for new, cached, label, _ in stream(material_, 424242, 1500, shares):
        family = "chinese_generated" if is_chinese(new, cached) else "generated"
        found.append((new, cached, label, f"{family}_{'right' if label else 'wrong'}"))
    found += [(new, cached, label, kind) for new, cached, label, kind in stream(material_, 77, 700, {"tags": 1.0})]
    found += [(new, cached, 0, "others_clip") for new, cached in rng.sample(material_.others, min(400, len(material_.others)))]
    found += [(new, cached, label, kind) for new, cached, label, kind in stream(material_, 78, 500, {"chinese": 1.0})]
    found += sorted({drawn(group, rng) for group in groups for _ in range(3)})
    found += sorted({drawn(group, rng, other) for group, other in told_twice(groups) for _ in range(3)})
    for label, kind in ((1, "picture_alike"), (0, "picture_near")):
        pictures = [(one, other, label, kind) for one, other, right in alike if right == label]
        found += rng.sample(pictures, min(500, len(pictures)))
    return found


def _others(rows: list[Row]) -> list[tuple[str, str]]:
    """Terse asks with the enhanced clips of other prompts that share most words with them and lack one."""
    made = [(row.new, row.cached) for row in rows if row.kind == "expansion"]
    found = []
    for ask in sorted({new for new, _ in made}):
        asked = read(ask).asked
        near = sorted(made, key=lambda one: -len(asked & read(one[1]).asked))[:6]
        found += [(ask, clip) for terse, clip in near if terse != ask and asked - read(clip).asked]
    return found


def score(material: Path, data: Path, scored: Path) -> None:
    pairs = held_back(material, data)
    embedder, verifier = Embedder.load(cache_dir=MODELS), Verifier.load(cache_dir=MODELS)
    kept = []
    for new, cached, label, kind in pairs:
        early = by_rule(new, cached) is not None or read(new).foreign or read(cached).foreign
        if embedder.covers(new) and embedder.covers(cached) and verifier.refuses(new, cached) is None:
            kept.append((new, cached, label, kind, early))
    texts = sorted({text for pair in kept for text in pair[:2]}, key=len)
    at = {text: spot for spot, text in enumerate(texts)}
    vectors = embedder.embed_now(texts)
    read_pairs = sorted((pair for pair in kept if not pair[4]), key=lambda pair: len(pair[0]) + len(pair[1]))
    words = dict(zip([pair[:2] for pair in read_pairs], verifier.score_now([(pair[0], pair[1]) for pair in read_pairs]), strict=True))
    rows: list[dict[str, Any]] = []
    for new, cached, label, kind, early in kept:
        row: dict[str, Any] = {"label": label, "kind": kind, "early": early, "chinese": is_chinese(new, cached)}
        if not early:
            similarity = float(vectors[at[new]] @ vectors[at[cached]])
            row["features"] = features(new, cached, similarity, words[(new, cached)])
        rows.append(row)
    with gzip.open(scored, "wt") as file:
        json.dump({"embedder": embedder.version, "verifier": verifier.version, "rows": rows}, file)
    embedder.close()
    verifier.close()


# Families weigh as given and the kinds of one family alike: captions of other pictures are what a replay meets most.
FAMILIES = {
    "other words": (
        2.0,
        {
            "generated_right",
            "picture_alike",
            "written_same",
            "between_same",
            "tags_same",
            "clauses_same",
            "chinese_generated_right",
            "chinese_same",
            "translation",
            "paws_paraphrase",
            "chinese_paws_paraphrase",
        },
    ),
    "asks for less": (
        1.0,
        {
            "attribute_added_less",
            "object_added_less",
            "expansion",
            "written_less",
            "written_more_less",
            "between_less",
            "between_more_less",
            "tags_less",
            "chinese_less",
        },
    ),
    "implied": (1.0, {"nli_entailment"}),
    "other picture": (2.0, {"picture_near"}),
    "short ask, enhanced clip of another prompt": (1.0, {"others_clip"}),
    "same style list, other subject": (1.0, {"tags_other", "tags_head", "tags_edited", "tags_medium"}),
    "not implied": (2.0, {"nli_neutral", "nli_contradiction"}),
}
HARD = ("hard negatives", 1.0)  # every other kind


def _family(kind: str) -> tuple[str, float]:
    return next(((name, share) for name, (share, kinds) in FAMILIES.items() if kind in kinds), HARD)


def fit(
    scored: Path,
    table: Path,
    shares: dict[str, float],
    floors: dict[str, float],
    least: dict[str, Any],
    between: float,
    down_to: dict[str, float],
) -> None:
    """A table for English and one for pairs with Chinese. `least`: the verifier's word under which nothing is served, or points of
    similarity and word between which it lies. `between`: the cosine under which nothing is served across the languages. `down_to`: a lower floor of a table than the one that it
    is fitted over, for pairs that are so seldom right that `least` asks more of them.
    """
    made = json.loads(gzip.open(scored, "rt").read())
    sides = {"english": False, "chinese": True}
    told = {
        name: _fitted([row for row in made["rows"] if row["chinese"] is side], shares[name], floors[name]) | {"least": least[name]}
        for name, side in sides.items()
    }
    told["chinese"]["between"] = between
    for name, floor in down_to.items():
        told[name]["floor"] = floor
    facts = {"embedder": made["embedder"], "verifier": made["verifier"], **told["english"], "chinese": told["chinese"]}
    facts["version"] = "table-" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    kinds = dict(sorted(Counter(row["kind"] for row in made["rows"]).items()))
    fitted = {"rows": len(made["rows"]), "kinds": kinds, "scored": hashlib.sha256(scored.read_bytes()).hexdigest()}
    table.write_text(json.dumps({"table": facts, "fitted_on": fitted}, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


def _fitted(every: list[dict[str, Any]], prior: float, floor: float) -> dict[str, Any]:
    """Logistic regression on rows that slots let pass; right and wrong weigh as the prior says."""
    from sklearn.linear_model import LogisticRegression

    # Early refusals count in how much a kind weighs: they are part of what a replay would meet.
    sizes = Counter(row["kind"] for row in every)
    similarity = FEATURES.index("similarity")
    rows = [row for row in every if not row["early"] and row["features"][similarity] >= floor and sizes[row["kind"]] >= FEWEST]
    kinds: dict[tuple[int, tuple[str, float]], set[str]] = defaultdict(set)
    for row in rows:
        kinds[(row["label"], _family(row["kind"]))].add(row["kind"])
    sides = [sum(share for label, (_, share) in kinds if label == side) for side in (0, 1)]

    def weight(row: dict[str, Any]) -> float:
        label, family = row["label"], _family(row["kind"])
        side = prior if label else 1 - prior
        return float(side * family[1] / sides[label] / len(kinds[(label, family)]) / sizes[row["kind"]])

    inputs = np.array([row["features"] for row in rows])
    labels = np.array([row["label"] for row in rows])
    weights = np.array([weight(row) for row in rows])
    signs = np.array([1, 1, -1])
    kept_in = np.ones(len(FEATURES), bool)
    while True:
        model = LogisticRegression(C=10.0, max_iter=5000).fit(inputs * kept_in, labels, sample_weight=weights / weights.mean())
        against = (model.coef_[0] * signs < 0) & kept_in
        if not against.any():
            break
        kept_in &= ~against  # what would speak against its nature says nothing
    own = model.predict_proba(inputs * kept_in)[:, 1]
    order = np.argsort(-own)
    share = np.cumsum((weights * labels)[order]) / np.cumsum(weights[order])
    # The largest share that some bar at or below reaches, so that a higher bar never promises less.
    share = np.maximum.accumulate(share[::-1])[::-1]
    bars = np.concatenate([np.linspace(0.02, 0.7, 18), np.linspace(0.72, 0.99, 28)])
    return {
        "floor": floor,
        "prior": prior,
        "judged": float((weights * labels).sum() / weights.sum()),
        "bias": float(model.intercept_[0]),
        "weights": dict(zip(FEATURES, map(float, model.coef_[0] * kept_in + 0.0), strict=True)),
        "kept": [[round(float(bar), 4), round(float(np.interp(bar, own[order][::-1], share[::-1])), 5)] for bar in bars],
    }


def prior(data: Path, floor: float) -> float:
    """Held-back captions asked for one after the other: of the nearest before each, over `floor`, the share of the same picture."""
    captions = [(text, picture) for picture, (texts, held) in enumerate(permitted(data)[2]) if held for text in texts]
    random.Random(5).shuffle(captions)
    embedder = Embedder.load(cache_dir=MODELS)
    vectors, pictures = embedder.embed_now([text for text, _ in captions]), np.array([picture for _, picture in captions])
    embedder.close()
    right = []
    for at in range(1, len(captions)):
        alike = vectors[:at] @ vectors[at]
        nearest = int(alike.argmax())
        if alike[nearest] >= floor:
            right.append(pictures[nearest] == pictures[at])
    return float(np.mean(right))


if __name__ == "__main__":
    if sys.argv[2] == "prior":
        print(f"{prior(Path(sys.argv[1]), float(sys.argv[3])):.4f}")
    elif sys.argv[1] == "score":
        score(Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
    else:
        chosen = json.loads(sys.argv[4])
        fit(
            Path(sys.argv[2]),
            Path(sys.argv[3]),
            chosen["prior"],
            chosen["floor"],
            chosen["least"],
            chosen["between"],
            chosen.get("down_to", {}),
        )
