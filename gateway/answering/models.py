"""The models that clients may name, and the Recipes of their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from cache.catalog import AskedSettings, ServedModel, resolve
from cache.errors import ModelAway, NotFound, StillLoading
from cache.recipe import Recipe
from cache.renewal import again

_AWAY = 60.0  # seconds after which to ask again for a model whose workers are away


class Models:
    """The first of `served` is the default. An alias may come from the settings or from the served model itself.

    `served` may be empty where workers render: until the first one tells what it has, every call is StillLoading.
    """

    def __init__(self, served: Sequence[ServedModel], aliases: Mapping[str, str]) -> None:
        self._aliases = dict(aliases)
        self.served: tuple[ServedModel, ...] = ()
        self._by_name: dict[str, ServedModel] = {}
        self._away, self._retired = frozenset[str](), frozenset[str]()
        # The same settings come again and again; one Recipe for them computes its key once.
        self._resolved = lru_cache(maxsize=1024)(self._resolve)
        self.serve(served)
        for alias, name in aliases.items():
            if served and name not in self._by_name:
                raise ValueError(f"REPRISE_MODEL_ALIASES maps {alias!r} to {name!r}, which is not served; served: {self._listed()}")

    def serve(self, served: Sequence[ServedModel], away: frozenset[str] = frozenset(), retired: frozenset[str] = frozenset()) -> None:
        """Sets the models served. Aliases of other models have no effect. Of those `away` there are clips and no workers; `retired`
        are names of models that were served.
        """
        self._away, self._retired = away, retired
        if self.served == tuple(served):
            return
        self.served = tuple(served)
        self._by_name = {model.name: model for model in self.served}
        for model in self.served:
            for alias in model.aliases:
                self._by_name.setdefault(alias, model)
        self._by_name |= {alias: self._by_name[name] for alias, name in self._aliases.items() if name in self._by_name}
        self._resolved.cache_clear()

    @property
    def take_pictures(self) -> bool:
        """True if the videos of some model may begin with a picture, or it is not known yet which models there are."""
        return not self.served or any(model.row.takes_picture for model in self.served)

    def named(self, name: str | None) -> ServedModel:
        if not self.served:
            raise StillLoading("no worker has told yet which model it renders with; start one with `reprise worker`")
        if name is None:
            return self.served[0]
        model = self._by_name.get(name)
        if model is not None:
            return model
        if self._aliases.get(name, name) in self._retired:
            raise ModelAway(f"no worker has {name[:80]!r} any more; served: {self._listed()}", _AWAY)
        raise NotFound(f"{name[:80]!r} is not served here; served: {self._listed()}", "model", "model_not_found")

    def check_workers(self, name: str) -> None:
        """Raises ModelAway if nobody would render a miss of that model."""
        if name in self._away:
            raise ModelAway(f"no worker with {name} gave a sign of life lately; what is kept of it is still served", _AWAY)

    def again(self, recipe: Recipe) -> Recipe | None:
        """The same ask by the present revision of its model; None where that is not served, or cannot do it."""
        model = next((one for one in self.served if one.name == recipe.model), None)
        return None if model is None else again(model, recipe)

    def recipe(self, name: str | None, ask: AskedSettings) -> Recipe:
        """The Recipe for `ask`. Raises Invalid, naming the field and the allowed values."""
        return self._resolved(self.named(name).name, ask)

    def renders(self, recipe: Recipe) -> bool:
        """True if a worker would render it: Recipes of a revision that is gone are rendered by nobody."""
        return any(
            (one.name, one.revision, one.renderer) == (recipe.model, recipe.revision, recipe.renderer) for one in self.served
        )  # fmt: skip

    def _resolve(self, name: str, ask: AskedSettings) -> Recipe:
        return resolve(self._by_name[name], ask)

    def _listed(self) -> str:
        return ", ".join(self._by_name)
