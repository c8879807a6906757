"""The ledger of an index: for each clip its newest change and its shard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import repeat

NOWHERE = 0  # in the place of a shard's number: a clip that was removed


class Ledger:
    """A change is news when it is newer than what is known of its clip; all else may come twice and in any order.

    Removals are remembered for the sake of late changes, the newest `remembered` of them. Of a clip that is not known
    at all, only changes above the newest removal forgotten are news: it may be one of those.

    One writer at a time; reading needs no lock.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._clips: dict[str, tuple[int, int]] = {}  # sequence, shard number
        self._removed: OrderedDict[str, None] = OrderedDict()
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._clips)

    @property
    def live(self) -> int:
        return len(self._clips) - len(self._removed)

    def alive_in(self, number: int) -> Callable[[str, int], bool]:
        clips = self._clips
        return lambda clip_id, sequence: clips.get(clip_id) == (sequence, number)

    def news(self, clip_id: str, sequence: int) -> bool:
        return sequence > self._clips.get(clip_id, (self._forgotten, NOWHERE))[0]

    def where(self, clip_id: str) -> int:
        """The number of its shard, or NOWHERE."""
        return self._clips.get(clip_id, (0, NOWHERE))[1]

    def place(self, clip_id: str, sequence: int, number: int) -> int:
        """Places a clip; returns its former place."""
        before = self.where(clip_id)
        self._clips[clip_id] = (sequence, number)
        self._removed.pop(clip_id, None)
        return before

    def fill(self, ids: Iterable[str], sequences: Iterable[int], number: int) -> int:
        """Places clips that nothing is known of, in one step for all; how many they are (a clip named twice is one)."""
        before = len(self._clips)
        self._clips.update(zip(ids, zip(sequences, repeat(number)), strict=False))
        return len(self._clips) - before

    def remove(self, clip_id: str, sequence: int) -> int:
        before = self.place(clip_id, sequence, NOWHERE)
        self._removed[clip_id] = None
        while len(self._removed) > self._remembered:
            oldest, _ = self._removed.popitem(last=False)
            self._forgotten = max(self._forgotten, self._clips.pop(oldest)[0])
        return before

    def forget_below(self, sequence: int) -> None:
        """Changes up to `sequence` of clips that are not known are no news (they were removed before a snapshot)."""
        self._forgotten = max(self._forgotten, sequence)

    def copy(self) -> dict[str, tuple[int, int]]:
        return self._clips.copy()
