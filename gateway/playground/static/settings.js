// The settings of a request: what the chosen model can make, and only what differs from its defaults.

import { byId, el } from "./dom.js";
import { Picture } from "./picture.js";

const DEFAULT = "";

export class Settings {
  #models = [];
  #picture;

  /** `changed` is called whenever a setting changes. */
  constructor(changed) {
    this.#picture = new Picture(changed);
    for (const name of ["model", "size", "seconds", "quality", "negative_prompt", "seed"]) byId(name).addEventListener("input", changed);
    byId("model").addEventListener("change", () => {
      this.#offer();
      changed();
    });
  }

  /** `models`: those of /v1/models; the first is the default. */
  fill(models) {
    this.#models = models;
    byId("model").replaceChildren(...models.map((model, at) => option(at ? model.id : DEFAULT, model.id)));
    byId("model-field").hidden = models.length < 2;
    this.#offer();
  }

  get model() {
    return this.#models.find((model) => model.id === byId("model").value) ?? this.#models[0];
  }

  /** The settings that are not at their defaults, as fields of a request. */
  chosen() {
    const [seed, seconds, quality] = [value("seed"), value("seconds"), value("quality")];
    return {
      ...given("model"),
      ...given("size"),
      ...(seconds === "" ? {} : { seconds }),
      ...(quality === "standard" ? {} : { quality }),
      ...given("negative_prompt"),
      ...(seed === "" ? {} : { seed: Number(seed) }),
      ...this.#picture.chosen(),
    };
  }

  /** Sizes, length and qualities of the chosen model. What was chosen before stays, if this model has it, too. */
  #offer() {
    const told = this.model?.reprise;
    const sizes = told?.sizes ?? [];
    const before = byId("size").value;
    byId("size").replaceChildren(...sizes.map((size, at) => option(at ? size : DEFAULT, size.replace("x", " × "))));
    byId("size").value = sizes.indexOf(before) > 0 ? before : DEFAULT;
    byId("size-field").hidden = sizes.length < 2;
    this.#picture.offer(told?.input_reference === true);
    // A distilled model has one number of steps.
    const steps = told?.steps;
    for (const choice of byId("quality").options) choice.disabled = steps !== undefined && !(choice.value in steps);
    if (byId("quality").selectedOptions[0]?.disabled) byId("quality").value = "standard";
    byId("seconds").placeholder = told ? String(told.default_seconds) : "";
    byId("seconds-hint").textContent = told ? `Up to ${told.longest_seconds}.` : "";
  }
}

const value = (name) => byId(name).value.trim();
const given = (name) => (value(name) === DEFAULT ? {} : { [name]: value(name) });
const option = (text, words) => el("option", { value: text }, words);
