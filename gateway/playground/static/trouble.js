// Error messages, shown where they can be fixed: at the field, or above the clip with a button to try again.

import { Problem, hasKey } from "./api.js";
import { byId, el, say } from "./dom.js";
import { duration } from "./words.js";

const FIELDS = ["prompt", "model", "size", "seconds", "quality", "negative_prompt", "input_reference", "seed"];
let countdown = null;

/** The fault that this page can find by itself; null if there is none. */
export function faultOf(ask) {
  if (!ask.prompt.trim()) return new Problem(400, { param: "prompt", message: "Describe what the video should show." });
  if (ask.seed !== undefined && !Number.isSafeInteger(ask.seed)) return new Problem(400, { param: "seed", message: "A seed must be a whole number." });
  return null;
}

/** `again`: the action of "Try again", if trying again can help. */
export function complain(fault, again = null) {
  if (fault.name === "AbortError") return;
  if (!(fault instanceof Problem)) throw fault;
  if (fault.status === 401) {
    byId("key").hidden = false;
    byId("key-text").focus();
    // Being asked for a key is not an error; a key that is refused is.
    return hasKey() ? above(new Problem(401, { message: "This key is not valid." }), null) : undefined;
  }
  if (fault.status >= 400 && fault.status < 500 && FIELDS.includes(fault.param)) atField(fault);
  else above(fault, again && fault.passes ? again : null);
}

function atField({ param, message }) {
  const field = byId(param);
  if (byId("more").contains(field)) byId("more").open = true;
  field.setAttribute("aria-invalid", "true");
  say(byId(`${param}-problem`), message);
  field.focus();
}

function above(fault, again) {
  const parts = [el("p", {}, fault.message)];
  if (again) {
    const retry = el("button", { type: "button", click: () => again() }, "Try again");
    if (fault.retryAfter) parts.push(counted(fault.retryAfter, retry));
    parts.push(retry);
  }
  byId("alert").replaceChildren(...parts);
  byId("alert").hidden = false;
}

/** The button is enabled once the server's Retry-After has passed. */
function counted(seconds, retry) {
  // A live region would read every second aloud; the sentence above it is enough.
  const rest = el("p", { class: "countdown", "aria-hidden": "true" });
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    retry.disabled = left > 0;
    say(rest, left > 0 ? `Try again in ${duration(left * 1000)}.` : "");
    if (left <= 0) clearInterval(countdown);
  };
  countdown = setInterval(tick, 500);
  tick();
  return rest;
}

/** The gateway does not answer during a wait; the page keeps trying. */
export function stillAsking(fault) {
  byId("alert").replaceChildren(el("p", {}, `${fault.message} Still trying.`));
  byId("alert").hidden = false;
}

export function clear() {
  clearInterval(countdown);
  say(byId("alert"), "");
  byId("key").hidden = true;
  for (const name of FIELDS) {
    byId(name).removeAttribute("aria-invalid");
    say(byId(`${name}-problem`), "");
  }
}
