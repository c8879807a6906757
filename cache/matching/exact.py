"""The clips that answered or were candidates lately, by exact key or id: what spares a hit its look-up in the database."""

from __future__ import annotations

from collections import OrderedDict

from cache.clip import Clip
from cache.variant import Film, Variant


def exact_key(film: Film, pinned_seed: int | None) -> str:
    """The key that a request is looked up by: with a pinned seed only that very Variant, else any take of the film."""
    return film.key if pinned_seed is None else Variant(film, pinned_seed=pinned_seed).key


class ExactMemory:
    """A bounded memory, least recently used first out.

    It may lag behind the rows: what it says is checked again in the transaction that records the hit.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._most = most
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._keys: dict[str, set[str]] = {}
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._clips)

    def get(self, key: str) -> Clip | None:
        clip = self._clips.get(key)
        if clip is None:
            self.misses += 1
        else:
            self.hits += 1
            self._clips.move_to_end(key)
        return clip

    def at_hand(self, clip_id: str) -> Clip | None:
        """By its id, under which a candidate is held; not counted as a look-up of a request."""
        return self._clips.get(clip_id)

    def put(self, key: str, clip: Clip) -> None:
        self._drop(key)
        self._clips[key] = clip
        self._keys.setdefault(clip.id, set()).add(key)
        while len(self._clips) > self._most:
            self._drop(next(iter(self._clips)))

    def forget(self, clip_id: str) -> None:
        """The clip changed: the next request for it reads its row."""
        for key in list(self._keys.get(clip_id, ())):
            self._drop(key)

    def forget_all(self) -> None:
        self._clips.clear()
        self._keys.clear()

    def _drop(self, key: str) -> None:
        clip = self._clips.pop(key, None)
        if clip is not None:
            keys = self._keys[clip.id]
            keys.discard(key)
            if not keys:
                del self._keys[clip.id]
