"""Which models clients may name, and the Recipe that their settings mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from cache.catalog import Ask, ServedModel, resolve
from cache.errors import Invalid
from cache.recipe import Recipe


class Models:
    """The first of `served` is the default. An alias may come from the settings or from the served model itself."""

    def __init__(self, served: Sequence[ServedModel], aliases: Mapping[str, str]) -> None:
        if not served:
            raise ValueError("no model is served")
        self.served = tuple(served)
        self._by_name = {model.name: model for model in self.served}
        for model in self.served:
            for alias in model.aliases:
                self._by_name.setdefault(alias, model)
        for alias, name in aliases.items():
            if name not in self._by_name:
                raise ValueError(f"REPRISE_MODEL_ALIASES maps {alias!r} to {name!r}, which is not served; served: {self._listed()}")
            self._by_name[alias] = self._by_name[name]
        # The same settings come again and again; one Recipe for them computes its key once.
        self._resolved = lru_cache(maxsize=1024)(self._resolve)

    def named(self, name: str | None) -> ServedModel:
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
