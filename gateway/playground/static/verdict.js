// The card beside the clip: the verdict, its time, what was refused and why, and the possible actions.

import { hasKey, isOpen, pathOf, source } from "./api.js";
import { byId, el, say } from "./dom.js";
import { VERDICTS, contrast, duration, failedWord, faster, inOrder, percent, progressWords, sentence, sortedRefusals, stageLabel, startedFrom } from "./words.js";

const HITS = ["exact", "near"];

/** `actions`: what the buttons do. again, cancel and download get the video, judge also gets whether it fits. */
export class Card {
  #place = byId("verdict");
  #actions;
  #shown = "";

  constructor(actions) {
    this.#actions = actions;
  }

  /** `answeredMs` and `judged` are known only to the tab that asked. While a clip is made only the numbers change, so focus stays. */
  show(video, { answeredMs = null, judged = null }) {
    const told = video.reprise ?? {};
    const shown = JSON.stringify([video.id, video.status, told.verdict, answeredMs, judged]);
    if (shown === this.#shown && isOpen(video)) return advance(this.#place, video);
    this.#shown = shown;
    const focused = this.#place.contains(document.activeElement) && (document.activeElement.dataset.action ?? "none");
    this.#place.replaceChildren(
      el(
        "div",
        { class: "card", tabindex: "-1", "data-verdict": told.verdict, "data-status": video.status },
        el("p", { class: "asked" }, video.prompt ?? "(prompt erased)"),
        head(video, answeredMs),
        el("p", { class: "sentence" }, video.status === "failed" ? failure(video) : sentence(video)),
        isOpen(video) && going(video),
        video.status === "completed" && started(told.assisted, told.steps_ms),
        video.status === "completed" && times(video, answeredMs),
        notes(told.notes),
        refused(video, told),
        this.#buttons(video, judged),
      ),
    );
    // If the focused button is gone, the focus moves to the card and not to the top of the page.
    if (focused) (this.#place.querySelector(`[data-action="${focused}"]`) ?? this.#place.firstChild).focus();
  }

  #buttons(video, judged) {
    const { again, cancel, download, judge } = this.#actions;
    if (isOpen(video)) return el("div", { class: "actions" }, button("Cancel", () => cancel(video), "cancel"));
    const done = video.status === "completed";
    const judgeable = done && HITS.includes(video.reprise?.verdict);
    return el(
      "div",
      { class: "actions" },
      video.prompt != null && button(done ? "Another take" : "Try again", () => again(video), "again"),
      done && (hasKey() ? button("Download", () => download(video), "download") : link(video)),
      judgeable && (judged === null ? opinion(video, judge) : thanks(judged)),
    );
  }
}

function head(video, answeredMs) {
  const verdict = video.reprise?.verdict;
  const failed = video.status === "failed";
  const word = failed ? failedWord(video) : (VERDICTS[verdict] ?? "Miss");
  const take = video.reprise?.take > 0 ? el("span", { class: "take" }, `take ${video.reprise.take + 1}`) : null;
  const time = answeredMs == null || video.status !== "completed" ? null : el("span", { class: "time" }, `in ${duration(answeredMs)}`);
  return el("p", { class: "head" }, el("span", { class: "stamp", "data-verdict": failed ? "failed" : verdict }, word), time, take);
}

function failure(video) {
  if (video.error?.code === "cancelled") return "Cancelled. The renderer is free for the next job.";
  return video.error?.message ?? "It failed without a reason.";
}

function going(video) {
  const node = el("div", { class: "going" }, el("progress", { max: 100, "aria-label": "Progress" }), el("p", {}, el("span", { class: "now" }), el("span", { class: "share" })));
  advance(node, video);
  return node;
}

function advance(place, video) {
  const queued = video.status === "queued";
  const progress = place.querySelector("progress");
  if (queued) progress.removeAttribute("value");
  else progress.value = video.progress;
  say(place.querySelector(".now"), progressWords(video));
  say(place.querySelector(".share"), queued ? "" : `${video.progress} %`);
}

/** What the clip's render started from, if it was not noise. */
function started(assisted, stepsMs) {
  return assisted ? el("p", { class: "started" }, startedFrom(assisted, stepsMs?.length ?? 0)) : null;
}

/** For a hit, its time next to the render that it saved; for a render, its stages. */
function times(video, answeredMs) {
  const told = video.reprise ?? {};
  if (!HITS.includes(told.verdict)) return stages(told.stages_ms);
  const spared = told.gpu_seconds_saved * 1000;
  if (!(spared > 0) || answeredMs == null) return null;
  const gain = faster(spared, answeredMs);
  const bars = el("dl", { class: "spared" }, ...row("Rendering it", spared, spared), ...row("This answer", answeredMs, Math.max(spared, answeredMs)));
  return el("div", { class: "gain" }, gain && el("p", { class: "faster" }, gain), bars);
}

function row(label, ms, most) {
  const line = el("span", { class: "length" });
  line.style.width = `${Math.max(0.6, (100 * ms) / most)}%`;
  return [el("dt", {}, label), el("dd", {}, el("span", { class: "track" }, line), el("span", { class: "ms" }, duration(ms)))];
}

function stages(stagesMs) {
  const found = inOrder(stagesMs);
  if (!found.length) return null;
  const parts = found.map(([stage, ms]) => {
    const part = el("span", { class: "part", "data-stage": stage, title: `${stageLabel(stage)}: ${duration(ms)}` });
    part.style.flexGrow = ms;
    return part;
  });
  const legend = found.map(([stage, ms]) => el("li", { "data-stage": stage }, `${stageLabel(stage)} ${duration(ms)}`));
  return el("div", { class: "stages" }, el("div", { class: "parts", "aria-hidden": "true" }, ...parts), el("ul", { "aria-label": "Where the time went" }, ...legend));
}

function notes(list) {
  return list?.length ? el("ul", { class: "notes", "aria-label": "Notes" }, ...list.map((note) => el("li", {}, note))) : null;
}

function refused(video, { refused: list, verdict }) {
  if (!list?.length) return null;
  const title = HITS.includes(verdict) ? "Also considered and refused" : "Considered and refused";
  const { telling, rest } = sortedRefusals(list);
  const lines = [...telling.map((one) => refusal(video, one, list.indexOf(one) + 1)), rest && el("li", { class: "rest" }, rest)];
  return el("section", { class: "refused" }, el("h3", {}, title), el("ul", {}, ...lines.filter(Boolean)));
}

/** `place`: 1 for the first of the list, which is how the API names the refused clip. */
function refusal(video, { similarity, reason, clip }, place) {
  const alike = similarity == null ? null : `${percent(similarity)} similar`;
  return el(
    "li",
    { "data-reason": reason },
    clip && picture(video.id, place),
    el("span", { class: "reason" }, ...reasonParts(reason)),
    alike && el("span", { class: "alike", title: "Similarity of the two prompts, by the encoder" }, alike),
  );
}

/** The refused clip itself. It is gone from the list once it cannot be loaded: evicted, or withdrawn. */
function picture(id, place) {
  const frame = el("img", { alt: "The refused clip", width: 56, height: 56, loading: "lazy" });
  frame.addEventListener("error", () => frame.remove());
  source(id, "thumbnail", place).then(
    (address) => frame.setAttribute("src", address),
    () => frame.remove(),
  );
  return frame;
}

function reasonParts(reason) {
  const found = contrast(reason);
  if (!found) return [reason.replaceAll("*", "")];
  const [wanted, there] = [el("b", { class: "wanted" }, found.wanted), el("b", { class: "there" }, found.there)];
  if (found.there === "not said") return [`${found.about}: `, wanted, " is not mentioned there"];
  if (found.wanted === "not said") return [`${found.about}: `, there, " was not asked for"];
  return [`${found.about}: `, wanted, el("span", { class: "not" }, " is not "), there];
}

const link = (video) => el("a", { class: "button", href: `${pathOf(video.id)}/content`, download: `${video.id}.mp4` }, "Download");
const thanks = (judged) => el("p", { class: "thanks" }, judged ? "Marked as right. Thank you." : "Marked as wrong. Thank you: this clip is not served for this prompt again.");

function opinion(video, judge) {
  return el(
    "span",
    { class: "opinion", role: "group", "aria-label": "Is this the clip you asked for?" },
    el("span", { class: "question" }, "Does it fit?"),
    button("Right", () => judge(video, true), "right"),
    button("Wrong", () => judge(video, false), "wrong"),
  );
}

function button(label, action, name) {
  return el("button", { type: "button", "data-action": name, click: action }, label);
}
