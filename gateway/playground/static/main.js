// Joins the parts: the form sends, the screen shows, the card explains, the strip lists.

import { ROOT, cancel, create, follow, hasKey, isOpen, isVideoId, judge, keepKey, latest, models, retrieve, source } from "./api.js";
import { byId, el, say } from "./dom.js";
import { OUTCOMES, STEPS, examplesFor } from "./examples.js";
import { shortened } from "./picture.js";
import { Screen } from "./screen.js";
import { Settings } from "./settings.js";
import { Snippets } from "./snippets.js";
import { Strip } from "./strip.js";
import { clear, complain, faultOf, stillAsking } from "./trouble.js";
import { Card } from "./verdict.js";
import { headline, spoken } from "./words.js";

const SHOWN = 12;
const prompt = byId("prompt");
const screen = new Screen();
const strip = new Strip((video) => open(video.id));
const settings = new Settings(fit);
const snippets = new Snippets();
const asks = new Map(); // id -> the body that it was requested with, for another take with the same settings
const facts = new Map(); // id -> facts that only this tab knows: the time of the answer, the feedback given
const outcomes = new Map(); // words -> the last video for them, so that the examples show their outcome
let following = new AbortController();
let current = null;
let sets = examplesFor(undefined);
let set = 0;

const card = new Card({
  again: (video) => {
    const ask = { ...(asks.get(video.id) ?? { prompt: video.prompt }) };
    const fresh = video.status === "completed";
    if (fresh) delete ask.seed; // a pinned seed would give the same video again
    return submit(ask, { fresh });
  },
  cancel: (video) =>
    attempt(async () => {
      const cancelled = await cancel(video.id);
      following.abort();
      await present(cancelled);
      await refresh();
    }),
  judge: (video, satisfied) =>
    attempt(async () => {
      await judge(video.id, satisfied);
      note(video.id, { judged: satisfied });
      await present(video);
    }),
  download: (video) =>
    attempt(async () => {
      el("a", { href: await source(video.id), download: `${video.id}.mp4` }).click();
    }),
});

async function submit(ask, { fresh = false } = {}) {
  clear();
  const fault = faultOf(ask);
  if (fault) return complain(fault);
  const mine = follower();
  const started = performance.now();
  byId("submit").disabled = true;
  try {
    const first = await create(ask, { fresh });
    byId("submit").disabled = false;
    if (mine.aborted) return;
    asks.set(first.video.id, ask);
    history.replaceState(null, "", `#${first.video.id}`);
    bringIntoView();
    await watch(first, mine, started);
  } catch (failure) {
    complain(failure, () => submit(ask, { fresh }));
  } finally {
    byId("submit").disabled = false;
  }
}

/** Follows a video from the first answer to the clip. `started` is null for a video requested before this page was opened. */
async function watch(first, signal, started = null) {
  const close = (video) => {
    if (started === null || isOpen(video)) return;
    note(video.id, { answeredMs: performance.now() - started });
    outcomes.set(video.prompt, video);
    tellOutcomes();
  };
  close(first.video);
  await present(first.video);
  if (isOpen(first.video)) {
    void refresh();
    await follow(
      first,
      async (video, fault) => {
        if (signal.aborted) return;
        if (fault) return stillAsking(fault);
        say(byId("alert"), "");
        close(video);
        await present(video);
      },
      signal,
    );
  }
  if (!signal.aborted) await refresh();
}

async function open(id) {
  clear();
  const mine = follower();
  try {
    const found = await retrieve(id, mine);
    history.replaceState(null, "", `#${id}`);
    bringIntoView();
    await watch(found, mine);
  } catch (fault) {
    complain(fault, () => open(id));
  }
}

/** Only one video is followed: whoever follows the next stops the last. */
function follower() {
  following.abort();
  following = new AbortController();
  return following.signal;
}

async function present(video) {
  current = video;
  const known = facts.get(video.id) ?? {};
  card.show(video, known);
  screen.stamp(video, isOpen(video) ? "" : headline(video, known.answeredMs));
  say(byId("status"), spoken(video));
  strip.mark(video.id);
  await screen.show(video);
}

/** The screen comes into view when somebody asked, and not on every percent. */
function bringIntoView() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("result").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
}

const note = (id, more) => facts.set(id, { ...facts.get(id), ...more });

async function attempt(action) {
  clear();
  try {
    await action();
  } catch (fault) {
    complain(fault, () => attempt(action));
  }
}

async function refresh() {
  try {
    strip.show(await latest(SHOWN), current?.id);
  } catch (fault) {
    complain(fault, refresh);
  }
}

// The form and the examples

const asked = (words) => ({ prompt: words, ...settings.chosen() });

/** The box is as high as its words; the code below says the same words. */
function fit() {
  prompt.style.height = "auto";
  prompt.style.height = `${prompt.scrollHeight + 2}px`;
  snippets.show(location.origin + ROOT, shortened(asked(prompt.value.trim() || prompt.placeholder)), hasKey());
}

function showExamples() {
  const words = sets[set % sets.length];
  byId("tricks").replaceChildren(...words.map(example));
  prompt.placeholder = words[0];
  tellOutcomes();
  fit();
}

function example(words, at) {
  const click = () => {
    prompt.value = words;
    fit();
    return submit(asked(words));
  };
  const outcome = el("span", { class: "outcome" }, OUTCOMES[at]);
  return el("li", {}, el("button", { type: "button", click }, el("span", { class: "step" }, STEPS[at]), el("span", { class: "words" }, words), outcome));
}

/** In place: a button that is exchanged between press and release loses the click. */
function tellOutcomes() {
  for (const button of byId("tricks").querySelectorAll("button")) {
    const video = outcomes.get(button.querySelector(".words").textContent);
    if (!video) continue;
    const outcome = button.querySelector(".outcome");
    say(outcome, headline(video, facts.get(video.id)?.answeredMs));
    outcome.dataset.verdict = video.reprise?.verdict;
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  void submit(asked(prompt.value));
});
prompt.addEventListener("input", fit);
addEventListener("resize", fit);
prompt.addEventListener("keydown", (event) => {
  // Enter also ends a word in input methods for Chinese or Japanese; that one is not for us.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  if (!byId("submit").disabled) byId("ask").requestSubmit();
});
byId("shuffle").addEventListener("click", () => {
  set += 1;
  showExamples();
});
byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key-text").value.trim());
  clear();
  fit(); // the command includes the key, too
  void start();
});

async function start() {
  const id = location.hash.slice(1);
  const untouched = following;
  try {
    const known = await models();
    settings.fill(known);
    sets = examplesFor(known[0]);
  } catch (fault) {
    return complain(fault, start);
  }
  showExamples();
  await refresh();
  // If a request was sent in the meantime, its video is the one to show.
  if (isVideoId(id) && following === untouched) await open(id);
}

// A phone would open its keyboard over the page.
if (matchMedia("(pointer: fine)").matches) prompt.focus();
showExamples();
void start();
