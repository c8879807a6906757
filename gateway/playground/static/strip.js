// A strip with the thumbnails of the latest clips, and the total that they saved.

import { source } from "./api.js";
import { byId, el, say } from "./dom.js";
import { VERDICTS, failedWord, totals } from "./words.js";

export class Strip {
  #open;
  #pictures = new Map(); // id -> address of its thumbnail; a thumbnail never changes

  constructor(open) {
    this.#open = open;
  }

  /** `chosen` is the id on the screen. Focus stays where it is. */
  show(videos, chosen) {
    byId("past").hidden = videos.length === 0;
    say(byId("totals"), videos.length ? totals(videos) : "");
    const focused = document.activeElement?.closest("#strip button")?.dataset.id;
    byId("strip").replaceChildren(...videos.map((video) => this.#card(video, chosen)));
    if (focused) this.#button(focused)?.focus();
  }

  mark(chosen) {
    for (const button of byId("strip").querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.id === chosen));
  }

  #button(id) {
    return [...byId("strip").querySelectorAll("button")].find((button) => button.dataset.id === id);
  }

  #card(video, chosen) {
    const verdict = video.status === "failed" ? "failed" : video.reprise?.verdict;
    const word = video.status === "failed" ? failedWord(video) : (VERDICTS[verdict] ?? "");
    const words = video.prompt ?? "(erased)";
    const frame = el("span", { class: "frame" });
    if (video.status === "completed") this.#picture(video.id, frame);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", title: words, "data-id": video.id, "aria-current": String(video.id === chosen), click: () => this.#open(video) },
        frame,
        el("span", { class: "stamp small", "data-verdict": verdict }, word),
        el("span", { class: "asked" }, words),
      ),
    );
  }

  async #picture(id, frame) {
    try {
      if (!this.#pictures.has(id)) this.#pictures.set(id, await source(id, "thumbnail"));
      const picture = el("img", { src: this.#pictures.get(id), alt: "", width: 128, height: 128, loading: "lazy" });
      picture.addEventListener("error", () => picture.remove());
      frame.replaceChildren(picture);
    } catch {
      this.#pictures.delete(id); // no longer in the cache: the frame stays empty
    }
  }
}
