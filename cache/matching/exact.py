"""The exact memory: recent hits and candidates by exact key or id, which saves a hit its look-up in the database."""

from __future__ import annotations

from cachetools import LRUCache

from cache.clip import Clip
from cache.variant import Spec, Variant


def exact_key(spec: Spec, pinned_seed: int | None) -> str:
    """The key that a request is looked up by: with a pinned seed only that very Variant, else any take of the Spec."""
    return spec.key if pinned_seed is None else Variant(spec, pinned_seed=pinned_seed).key


class _Clips(LRUCache[str, Clip]):
    """Takes the key of what leaves out of `keys`, by which a clip's own are known."""

    def __init__(self, most: int, keys: dict[str, set[str]]) -> None:
        super().__init__(most)
        self._keys = keys

    def __delitem__(self, key: str) -> None:
        clip = self[key]
        super().__delitem__(key)
        keys = self._keys[clip.id]
        keys.discard(key)
        if not keys:
            del self._keys[clip.id]


class ExactMemory:
    """A bounded memory, least recently used first out.

    It may lag behind the rows: what it says is checked again in the transaction that records the hit.
    """

    def __init__(self, most: int = 50_000) -> None:
        self._keys: dict[str, set[str]] = {}
        self._clips = _Clips(most, self._keys)
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._clips)

    def get(self, key: str) -> Clip | None:
        clip = self._clips.get(key)
        if clip is None:
            self.misses += 1
        else:
            self.hits += 1
        return clip

    def at_hand(self, clip_id: str) -> Clip | None:
        """By its id, under which a candidate is held; not counted as a look-up of a request."""
        return self._clips.get(clip_id)

    def put(self, key: str, clip: Clip) -> None:
        if not self._clips.maxsize:
            return
        self._clips.pop(key, None)
        self._clips[key] = clip
        self._keys.setdefault(clip.id, set()).add(key)

    def forget(self, clip_id: str) -> None:
        """The clip changed: the next request for it reads its row."""
        for key in list(self._keys.get(clip_id, ())):
            self._clips.pop(key, None)

    def forget_all(self) -> None:
        self._clips.clear()
        self._keys.clear()
