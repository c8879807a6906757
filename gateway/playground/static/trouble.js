// What went wrong, said where it can be put right: at the field, or above the clip with a button to try again.

import { Problem, hasKey } from "./api.js";
import { byId, el, say } from "./dom.js";
import { duration } from "./words.js";

const FIELDS = ["prompt", "quality", "seed"];
let countdown = null;

/** What this page can tell without asking; null where nothing is wrong. */
export function faultOf(ask) {
  if (!ask.prompt.trim()) return new Problem(400, { param: "prompt", message: "Say what the clip should show." });
  if (ask.seed !== undefined && !Number.isSafeInteger(ask.seed)) return new Problem(400, { param: "seed", message: "A seed is a whole number." });
  return null;
}

/** `again` is what "Try again" does, where trying again can help. */
export function complain(fault, again = null) {
  if (fault.name === "AbortError") return;
  if (!(fault instanceof Problem)) throw fault;
  if (fault.status === 401) {
    byId("key").hidden = false;
    byId("key-text").focus();
    // To be asked for a key is no trouble; a key that does not open is.
    return hasKey() ? above(new Problem(401, { message: "This key is not in force." }), null) : undefined;
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

/** The button wakes when the server said that asking again makes sense. */
function counted(seconds, retry) {
  // A live region would read every second aloud; the sentence above it has said enough.
  const rest = el("p", { class: "countdown", "aria-hidden": "true" });
  const until = performance.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((until - performance.now()) / 1000);
    retry.disabled = left > 0;
    say(rest, left > 0 ? `Worth another try in ${duration(left * 1000)}.` : "");
    if (left <= 0) clearInterval(countdown);
  };
  countdown = setInterval(tick, 500);
  tick();
  return rest;
}

/** The gateway is away in the middle of a wait, which goes on. */
export function stillAsking(fault) {
  byId("alert").replaceChildren(el("p", {}, `${fault.message} Still asking.`));
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
