// Small films have no room for the browser's controls: one button plays and stops them. Without this script the controls stay.
"use strict";
(() => {
  const SMALL = 300;

  function tame(film) {
    if (!film.controls || film.clientWidth >= SMALL) return;
    film.controls = false;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "play";
    const say = () => {
      button.dataset.plays = String(!film.paused);
      button.setAttribute("aria-label", `${film.paused ? "Play" : "Stop"}: ${film.getAttribute("aria-label")}`);
    };
    button.addEventListener("click", () => (film.paused ? film.play().catch(() => {}) : film.pause()));
    film.addEventListener("play", say);
    film.addEventListener("pause", say);
    film.addEventListener("error", () => {
      button.replaceWith(Object.assign(document.createElement("span"), { className: "lost", textContent: "cannot be shown" }));
    });
    say();
    film.after(button);
  }

  const all = () => document.querySelectorAll("video.film").forEach(tame);
  all();
  document.addEventListener("htmx:afterSettle", all);
})();
