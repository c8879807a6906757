"""Which models clients may name, and the Recipe that their settings mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from cache.catalog import Ask, ServedModel, resolve
from cache.errors import Invalid, StillLoading
from cache.recipe import Recipe


class Models:
    """The first of `served` is the default. An alias may come from the settings or from the served model itself.

    `served` may be empty where workers render: until the first one tells what it has, every call is StillLoading.
    """

    def __init__(self, served: Sequence[ServedModel], aliases: Mapping[str, str]) -> None:
        self._aliases = dict(aliases)
        self.served: tuple[ServedModel, ...] = ()
        self._by_name: dict[str, ServedModel] = {}
        self.serve(served)
        for alias, name in aliases.items():
            if served and name not in self._by_name:
                raise ValueError(f"REPRISE_MODEL_ALIASES maps {alias!r} to {name!r}, which is not served; served: {self._listed()}")

    def serve(self, served: Sequence[ServedModel]) -> None:
        """From now on these. An alias of a model that is not among them means nothing."""
        self.served = tuple(served)
        self._by_name = {model.name: model for model in self.served}
        for model in self.served:
            for alias in model.aliases:
                self._by_name.setdefault(alias, model)
        self._by_name |= {alias: self._by_name[name] for alias, name in self._aliases.items() if name in self._by_name}
        # The same settings come again and again; one Recipe for them computes its key once.
        self._resolved = lru_cache(maxsize=1024)(self._resolve)

    def named(self, name: str | None) -> ServedModel:
        if not self.served:
            raise StillLoading("no worker has told yet which model it renders with; start one with `reprise worker`")
        if name is None:
            return self.served[0]
        model = self._by_name.get(name)
        if model is None:
            raise Invalid("model", f"{name[:80]!r} is not served here; served: {self._listed()}", "model_not_found")
        return model

    def recipe(self, name: str | None, ask: Ask) -> Recipe:
        """Invalid, naming the field and what is allowed, where the model cannot do what `ask` says."""
        return self._resolved(self.named(name).name, ask)

    def _resolve(self, name: str, ask: Ask) -> Recipe:
        return resolve(self._by_name[name], ask)

    def _listed(self) -> str:
        return ", ".join(self._by_name)
