// Small videos have no room for the browser's controls: one button plays and stops them. Without this script the controls stay.
"use strict";
(() => {
  const SMALL = 300;

  function tame(video) {
    if (!video.controls || video.clientWidth >= SMALL) return;
    video.controls = false;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    const say = () => {
      button.dataset.plays = String(!video.paused);
      button.setAttribute("aria-label", `${video.paused ? "Play" : "Stop"}: ${video.getAttribute("aria-label")}`);
    };
    button.addEventListener("click", () => (video.paused ? video.play().catch(() => {}) : video.pause()));
    video.addEventListener("play", say);
    video.addEventListener("pause", say);
    video.addEventListener("error", () => {
      button.replaceWith(Object.assign(document.createElement("span"), { className: "lost", textContent: "cannot be shown" }));
    });
    say();
    video.after(button);
  }

  const all = () => document.querySelectorAll("video.video").forEach(tame);
  all();
  document.addEventListener("htmx:afterSettle", all);
})();
