// One key for each word: r and w label the pair that has the focus, j and k move it, p plays its video. The buttons do the same.
"use strict";
(() => {
  const pairs = () => [...document.querySelectorAll(".pair")];
  const current = () => document.activeElement?.closest?.(".pair") ?? null;

  function go(step) {
    const all = pairs();
    const at = all.indexOf(current());
    const next = at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[at + step];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }

  function label(word) {
    const pair = current() ?? pairs()[0];
    const button = pair?.querySelector(word);
    if (!button) return;
    moveOn = pair.id;
    button.click();
  }

  // After a label by key, on to the next pair; after one by button the focus stays where it was.
  let moveOn = null;
  document.addEventListener("htmx:afterSettle", () => {
    const pair = moveOn && document.getElementById(moveOn);
    moveOn = null;
    if (!pair) return;
    const told = document.getElementById("told");
    if (told) told.textContent = `Labelled ${pair.dataset.label}.`;
    pair.focus({ preventScroll: true });
    go(1);
  });
  document.addEventListener("htmx:responseError", () => {
    moveOn = null;
  });

  function play() {
    const video = (current() ?? pairs()[0])?.querySelector(".answer video");
    if (!video) return;
    if (video.paused) video.play();
    else video.pause();
  }

  const actions = { r: () => label(".yes"), w: () => label(".no"), j: () => go(1), k: () => go(-1), p: play };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.("input, select, textarea, [contenteditable]")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
})();
