"""The start of a miss's render: from noise, or from another clip where that is allowed, safe and still there."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, assert_never

from cache.assist import Start
from cache.matching.donors.choice import take_sigma
from cache.matching.donors.curves import DonorTable
from cache.setting_values import AssistedAnswers, AssistMode
from cache.storage.clips.donors import near_donor, take_donor, was_assisted
from cache.storage.database.database import Transaction
from cache.variant import Spec
from cache.verdict import Bypass, Miss

# Where to look for a donor: among earlier takes of the same words ("again"), at what the look-up found among the refused, or nowhere.
DonorSearch = Literal["again"] | Start | None


class Assisting:
    """`mode`: which renders may be assisted, by `table`; `answers`: which of them later requests may get. `max_wrong`: the instance's
    limit.
    """

    def __init__(self, mode: AssistMode, answers: AssistedAnswers, max_wrong: float, table: DonorTable) -> None:
        self._mode, self._answers, self._max_wrong, self._table = mode, answers, max_wrong, table

    def search(self, verdict: Miss | Bypass, *, again: bool) -> DonorSearch:
        """`again`: no-cache, where the cache is on."""
        match verdict:
            case Bypass():
                return "again" if again and self._mode != "off" else None
            case Miss():
                return verdict.donor if self._mode == "near" else None
            case other:
                assert_never(other)

    async def start(
        self, connection: Transaction, spec: Spec, search: DonorSearch, max_age: float | None, max_wrong: float | None
    ) -> Start | None:
        """In the transaction that submits the job. `max_age` bounds the donor, too; `max_wrong` is the request's own limit."""
        if search is None:
            return None
        if isinstance(search, Start):
            if await was_assisted(connection, spec.key):
                return None
            donor = await near_donor(connection, spec.scope, search.donor)
            return None if donor is None else replace(search, donor=donor)
        sigma = take_sigma(spec.recipe, self._table, self._max_wrong if max_wrong is None else min(self._max_wrong, max_wrong))
        donor = None if sigma is None else await take_donor(connection, spec, max_age)
        return None if donor is None or sigma is None else Start(donor, sigma, "take")

    def reserved(self, start: Start | None, asked: bool = False) -> bool:
        """True if the clip answers its own asker alone, until a person accepts it. `asked`: whatever the settings say."""
        if start is None:
            return False
        return asked or self._answers == "none" or (self._answers == "takes" and start.kind == "near")


NO_ASSISTANCE = Assisting("off", "none", 0.0, DonorTable({}, (), 1.0))
