// The card beside the clip: the verdict in words, the time it took, what was refused and why, and what to do next.

import { hasKey, isOpen, pathOf } from "./api.js";
import { byId, el, say } from "./dom.js";
import { VERDICTS, contrast, duration, failedWord, inOrder, percent, progressWords, sentence, sortedRefusals, stageLabel } from "./words.js";

const HITS = ["exact", "near"];

/** `deeds` are what the buttons do: again, cancel and download take the video, judge also whether it fits. */
export class Card {
  #place = byId("verdict");
  #deeds;
  #shown = "";

  constructor(deeds) {
    this.#deeds = deeds;
  }

  /** `answeredMs` and `judged` are known only to the tab that asked. While a clip is made only the numbers change, so focus stays. */
  show(video, { answeredMs = null, judged = null }) {
    const told = video.reprise ?? {};
    const shown = JSON.stringify([video.id, video.status, told.verdict, answeredMs, judged]);
    if (shown === this.#shown && isOpen(video)) return advance(this.#place, video);
    this.#shown = shown;
    const focused = this.#place.contains(document.activeElement) && (document.activeElement.dataset.deed ?? "none");
    this.#place.replaceChildren(
      el(
        "div",
        { class: "card", tabindex: "-1", "data-verdict": told.verdict, "data-status": video.status },
        el("p", { class: "asked" }, video.prompt ?? "(the words were erased)"),
        head(video, answeredMs),
        el("p", { class: "sentence" }, video.status === "failed" ? failure(video) : sentence(video)),
        isOpen(video) && going(video),
        video.status === "completed" && times(video, answeredMs),
        notes(told.notes),
        refused(told.refused, told.verdict),
        this.#buttons(video, judged),
      ),
    );
    // Where the button that had the focus is gone, the reader goes on from the card and not from the top of the page.
    if (focused) (this.#place.querySelector(`[data-deed="${focused}"]`) ?? this.#place.firstChild).focus();
  }

  #buttons(video, judged) {
    const { again, cancel, download, judge } = this.#deeds;
    if (isOpen(video)) return el("div", { class: "deeds" }, button("Cancel", () => cancel(video), "cancel"));
    const done = video.status === "completed";
    const judgeable = done && HITS.includes(video.reprise?.verdict);
    return el(
      "div",
      { class: "deeds" },
      video.prompt != null && button(done ? "Another take" : "Ask again", () => again(video), "again"),
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
  if (video.error?.code === "cancelled") return "Nobody waits for it any more, so the renderer is free for the next.";
  return video.error?.message ?? "It failed without saying why.";
}

function going(video) {
  const node = el("div", { class: "going" }, el("progress", { max: 100, "aria-label": "How far the clip is" }), el("p", {}, el("span", { class: "now" }), el("span", { class: "share" })));
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

/** A hit is set beside the render that it spared; a render is split into its stages. */
function times(video, answeredMs) {
  const told = video.reprise ?? {};
  if (!HITS.includes(told.verdict)) return stages(told.stages_ms);
  const spared = told.gpu_seconds_saved * 1000;
  if (!(spared > 0) || answeredMs == null) return null;
  return el("dl", { class: "spared" }, ...row("Rendering it", spared, spared), ...row("This answer", answeredMs, Math.max(spared, answeredMs)));
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

function refused(list, verdict) {
  if (!list?.length) return null;
  const title = HITS.includes(verdict) ? "Also looked at, and refused" : "Looked at, and refused";
  const { telling, rest } = sortedRefusals(list);
  const lines = [...telling.map(refusal), rest && el("li", { class: "rest" }, rest)];
  return el("section", { class: "refused" }, el("h3", {}, title), el("ul", {}, ...lines.filter(Boolean)));
}

function refusal({ similarity, reason }) {
  const alike = similarity == null ? null : `${percent(similarity)} alike`;
  return el(
    "li",
    { "data-reason": reason },
    el("span", { class: "reason" }, ...reasonParts(reason)),
    alike && el("span", { class: "alike", title: "How alike an encoder finds the two prompts" }, alike),
  );
}

function reasonParts(reason) {
  const found = contrast(reason);
  if (!found) return [reason.replaceAll("*", "")];
  const [wanted, there] = [el("b", { class: "wanted" }, found.wanted), el("b", { class: "there" }, found.there)];
  if (found.there === "not said") return [`${found.about}: `, wanted, " is not said there"];
  if (found.wanted === "not said") return [`${found.about}: `, there, " was not asked for"];
  return [`${found.about}: `, wanted, el("span", { class: "not" }, " is not "), there];
}

const link = (video) => el("a", { class: "button", href: `${pathOf(video.id)}/content`, download: `${video.id}.mp4` }, "Download");
const thanks = (judged) => el("p", { class: "thanks" }, judged ? "Marked as right. Thank you." : "Marked as wrong. Thank you: that is how the judge learns.");

function opinion(video, judge) {
  return el(
    "span",
    { class: "opinion", role: "group", "aria-label": "Is this the clip you asked for?" },
    el("span", { class: "question" }, "Does it fit?"),
    button("Right", () => judge(video, true), "right"),
    button("Wrong", () => judge(video, false), "wrong"),
  );
}

function button(label, deed, name) {
  return el("button", { type: "button", "data-deed": name, click: deed }, label);
}
