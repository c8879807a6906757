// What the pages do by themselves. Text from prompts only ever comes as text: the server escapes it, nothing here builds markup.
"use strict";
(() => {
  // Live parts: <div id="…" hx-get="…" hx-trigger="live" hx-swap="outerHTML" data-live="5"> is asked for every 5 seconds while the
  // tab can be seen; slower after failures, and not at all while somebody works inside it.
  const SLOWEST = 60;
  const due = new Map();
  let failures = 0;

  const busy = (part) =>
    part.classList.contains("htmx-request") ||
    (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) ||
    (!document.getSelection().isCollapsed && part.contains(document.getSelection().anchorNode));

  function tick() {
    if (document.hidden) return;
    const now = performance.now();
    for (const part of document.querySelectorAll("[data-live]")) {
      const every = Math.min(SLOWEST, Number(part.dataset.live) * 2 ** Math.min(failures, 4)) * 1000;
      if (!due.has(part.id)) due.set(part.id, now + every);
      if (now >= due.get(part.id) && !busy(part)) {
        due.set(part.id, now + every);
        htmx.trigger(part, "live");
      }
    }
  }
  setInterval(tick, 500);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) due.forEach((_, id) => due.set(id, 0));
  });

  // What somebody had opened, or where the focus was, is so again after a part was replaced.
  const open = new Set();
  let focused = null;
  document.addEventListener("htmx:beforeSwap", () => {
    open.clear();
    document.querySelectorAll("details[open][id]").forEach((one) => open.add(one.id));
    focused = document.activeElement?.id || null;
  });
  document.addEventListener("htmx:afterSwap", () => {
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus({ preventScroll: true });
  });

  // Failures are said, once, and taken back when the next answer comes.
  const trouble = () => document.getElementById("trouble");
  function complain(text) {
    trouble().textContent = text;
    trouble().hidden = false;
  }
  document.addEventListener("htmx:responseError", (event) => {
    failures += 1;
    const { status, responseText } = event.detail.xhr;
    let told = `The server answered ${status}.`;
    try {
      told = JSON.parse(responseText).error.message;
    } catch {
      // not one of our errors: the status has to do
    }
    complain(told);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, () => {
      failures += 1;
      complain("The server does not answer.");
    });
  }
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (event.detail.xhr.status < 400) {
      failures = 0;
      trouble().hidden = true;
    }
  });

  // <button data-sure="Revoke this key?">: asked before its form is sent.
  document.addEventListener("submit", (event) => {
    const words = event.submitter?.dataset.sure ?? event.target.dataset.sure;
    if (words && !confirm(words)) event.preventDefault();
  });

  // <input type="range" data-shows="id">: the element of that id says what the slider stands at.
  document.addEventListener("input", (event) => {
    const shown = event.target.dataset.shows && document.getElementById(event.target.dataset.shows);
    if (shown) shown.textContent = event.target.dataset.values ? JSON.parse(event.target.dataset.values)[event.target.value] : event.target.value;
  });

  // The values of a chart's slot beside the pointer, at once: the browser shows its <title> too, but only after a second.
  let tip = null;
  document.addEventListener("pointermove", (event) => {
    const column = event.target.closest?.("svg.chart .column");
    if (!column) return tip?.remove(), (tip = null);
    const slot = column.parentNode;
    const title = slot.querySelector("title");
    if (title) {
      slot.dataset.values = title.textContent;
      title.remove();
    }
    tip ??= document.body.appendChild(Object.assign(document.createElement("div"), { className: "tip", ariaHidden: "true" }));
    tip.textContent = slot.dataset.values;
    const right = Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8));
    // Set on the element's own style object, which the content security policy allows.
    tip.style.left = `${right}px`;
    tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 12)}px`;
  });

  // <button data-copy="id">: the text of that element goes to the clipboard.
  document.addEventListener("click", async (event) => {
    const source = event.target.closest?.("[data-copy]");
    if (!source) return;
    await navigator.clipboard.writeText(document.getElementById(source.dataset.copy).textContent);
    document.getElementById("told").textContent = "Copied.";
    source.textContent = "Copied";
  });
})();
