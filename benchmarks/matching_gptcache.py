"""GPTCache 0.1.44 as it is: its rule on one distance, and its whole path for the replay. Absent where not installed.

Its index holds squared L2 distances of unit vectors and its score is 4 - d, so its default threshold of 0.8 means a cosine of 0.60.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def distance_rule(threshold: float) -> Callable[[float], bool] | None:
    """Whether GPTCache serves at a cosine: its own evaluation and range, its adapter's comparison."""
    try:
        from gptcache.similarity_evaluation import SearchDistanceEvaluation  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return None
    evaluation = SearchDistanceEvaluation()
    low, high = evaluation.range()

    def serves(cosine: float) -> bool:
        rank = evaluation.evaluation({}, {"search_result": (2 - 2 * cosine, 0)})
        return bool(low + (high - low) * threshold <= rank)

    return serves


def open_gptcache(folder: Path, vectors: dict[str, NDArray[np.float32]], threshold: float) -> Any | None:
    """A cache of SQLite and FAISS in `folder` that embeds by looking up `vectors`; None where it is not installed."""
    try:
        from gptcache import Cache, Config  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        from gptcache.manager import CacheBase, VectorBase, get_data_manager  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        from gptcache.processor.pre import get_prompt  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        from gptcache.similarity_evaluation import SearchDistanceEvaluation  # noqa: PLC0415
    except ImportError:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    cache = Cache()
    dimension = len(next(iter(vectors.values())))
    # Without max_size it keeps 1,000 entries.
    manager = get_data_manager(
        CacheBase("sqlite", sql_url=f"sqlite:///{folder}/rows.db"),
        VectorBase("faiss", dimension=dimension, index_path=f"{folder}/vectors.index"),
        max_size=1_000_000,
    )
    cache.init(
        pre_embedding_func=get_prompt,
        embedding_func=lambda text, **_: vectors[text],
        data_manager=manager,
        similarity_evaluation=SearchDistanceEvaluation(),
        config=Config(similarity_threshold=threshold),
    )
    return cache
