// The picture that a video begins with: chosen, shown, and a data URL in the request.

import { byId } from "./dom.js";

export class Picture {
  #url = null;
  #changed;

  /** `changed` is called whenever another picture is there, or none. */
  constructor(changed) {
    this.#changed = changed;
    byId("input_reference").addEventListener("change", async () => this.#take(byId("input_reference").files[0]));
    byId("picture-away").addEventListener("click", () => {
      this.#drop();
      byId("input_reference").focus();
    });
  }

  /** Offered only where the model begins with one. What was chosen for another model goes. */
  offer(takes) {
    byId("picture-field").hidden = !takes;
    if (!takes && this.#url) this.#drop();
  }

  chosen() {
    return this.#url ? { input_reference: this.#url } : {};
  }

  async #take(file) {
    if (!file) return this.#drop();
    this.#show(await read(file));
  }

  #drop() {
    byId("input_reference").value = "";
    this.#show(null);
  }

  #show(url) {
    this.#url = url;
    byId("picture").hidden = !url;
    if (url) byId("picture-shown").src = url;
    else byId("picture-shown").removeAttribute("src");
    this.#changed();
  }
}

/** A request in which a picture does not fill the page. */
export const shortened = (ask) => (ask.input_reference ? { ...ask, input_reference: `${ask.input_reference.split(",", 1)[0]},…` } : ask);

const read = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(file);
  });
