// The area of the clip: a scene while there is none, noise that clears during the render, then the video.

import { isOpen, source } from "./api.js";
import { byId, say } from "./dom.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const FRAME_MS = 110;

export class Screen {
  #result = byId("result");
  #screen = byId("screen");
  #video = byId("video");
  #noise = byId("noise").getContext("2d");
  #progress = 0;
  #timer = null;
  #shown = null;
  #blobs = [];

  /** Shows `video` in any state; the video of one id is loaded once. */
  async show(video) {
    const [width, height] = String(video.size).split("x").map(Number);
    if (width > 0 && height > 0) this.#screen.style.aspectRatio = `${width} / ${height}`;
    if (isOpen(video)) this.#work(video);
    else if (video.status === "completed") await this.#play(video);
    else this.fail(video.error?.code === "cancelled" ? "Cancelled." : "There is no clip.");
  }

  /** The verdict on the film itself, where a narrow page shows the card only below it. */
  stamp(video, words) {
    const badge = byId("badge");
    badge.dataset.verdict = video.status === "failed" ? "failed" : (video.reprise?.verdict ?? "");
    say(badge, words);
  }

  fail(message) {
    this.#leave("failed");
    say(byId("gone"), message);
  }

  #work(video) {
    this.#progress = video.progress ?? 0;
    if (this.#result.dataset.state !== "working") {
      this.#leave("working");
      this.#timer = setInterval(() => STILL.matches || this.#draw(), FRAME_MS);
    }
    this.#draw();
  }

  /** Noise as the sampler sees it: as much as is still to be taken away. */
  #draw() {
    const picture = this.#noise.createImageData(32, 32);
    const left = 1 - this.#progress / 100;
    for (let at = 0; at < picture.data.length; at += 4) {
      const grey = Math.random() * 255;
      for (let channel = 0; channel < 3; channel++) picture.data[at + channel] = grey * 0.4 + Math.random() * 153;
      picture.data[at + 3] = 20 + 235 * left;
    }
    this.#noise.putImageData(picture, 0, 0);
  }

  async #play(video) {
    if (this.#shown === video.id) return;
    this.#leave("playing");
    this.#shown = video.id;
    this.#video.setAttribute("aria-label", video.prompt ? `The clip for: ${video.prompt}` : "The clip");
    const [address, poster] = await Promise.all([source(video.id), source(video.id, "thumbnail")]);
    this.#blobs = [address, poster].filter((url) => url.startsWith("blob:"));
    if (this.#shown !== video.id) return;
    this.#video.poster = poster;
    this.#video.src = address;
    this.#video.onerror = () => this.#shown === video.id && this.fail("The clip cannot be shown. It may have been removed.");
    // People who prefer reduced motion press play.
    if (!STILL.matches) await this.#video.play().catch(() => {});
  }

  #leave(state) {
    clearInterval(this.#timer);
    this.#shown = null;
    this.#video.onerror = null;
    this.#video.removeAttribute("src");
    this.#video.removeAttribute("poster");
    this.#video.load();
    for (const url of this.#blobs.splice(0)) URL.revokeObjectURL(url);
    this.#result.dataset.state = state;
    say(byId("gone"), "");
  }
}
