// The sentences of the page. Pure: numbers and answers in, text out.

const STAGES = {
  queue: ["Waiting", "waiting"],
  load: ["Loading the model", "load"],
  text_encode: ["Encoding the prompt", "text encode"],
  picture_encode: ["Encoding the picture", "picture encode"],
  denoise: ["Denoising", "denoise"],
  vae_decode: ["Decoding the frames", "VAE decode"],
  video_encode: ["Encoding the video", "video encode"],
  store: ["Storing the clip", "store"],
};
const ORDER = Object.keys(STAGES);

export const VERDICTS = {
  exact: "Exact",
  near: "Near",
  joined: "Joined",
  miss: "Miss",
  bypass: "Fresh",
};

export const stageLabel = (stage) => STAGES[stage]?.[1] ?? stage.replaceAll("_", " ");
export const inOrder = (stages) =>
  Object.entries(stages ?? {})
    .filter(([, ms]) => ms > 0)
    .sort(([one], [other]) => ORDER.indexOf(one) - ORDER.indexOf(other));

/** 14 -> "14 ms", 3211 -> "3.2 s", 125000 -> "2 min 5 s". */
export function duration(ms) {
  if (ms < 1) return "under 1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const rest = seconds % 60;
  return `${Math.floor(seconds / 60)} min${rest ? ` ${rest} s` : ""}`;
}

export function ago(seconds) {
  if (seconds == null) return "earlier";
  if (seconds < 5) return "a moment ago";
  for (const [length, name] of [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ]) {
    const count = Math.floor(seconds / length);
    if (count) return `${count} ${name}${count === 1 ? "" : "s"} ago`;
  }
  return "a moment ago";
}

export const percent = (share, digits = 1) => `${(Math.floor(share * 1000) / 10).toFixed(digits)} %`;
export const gpuSeconds = (seconds) => (seconds < 0.05 ? "0" : seconds < 100 ? seconds.toFixed(1) : String(Math.round(seconds)));
export const shortened = (text, longest = 90) => (text.length > longest ? `${[...text].slice(0, longest - 1).join("")}…` : text);

const renderMs = (told) => inOrder(told.stages_ms).reduce((sum, [stage, ms]) => (stage === "queue" ? sum : sum + ms), 0) || told.gpu_seconds * 1000;
const took = (told) => (renderMs(told) >= 1 ? ` in ${duration(renderMs(told))}` : "");
const saved = (told) => (told.gpu_seconds_saved >= 0.05 ? ` ${gpuSeconds(told.gpu_seconds_saved)} GPU-seconds saved.` : "");

/** The verdict as a sentence. `video.reprise` may hold less while the video is open. */
export function sentence(video) {
  const told = video.reprise ?? {};
  const open = video.status === "queued" || video.status === "in_progress";
  switch (told.verdict) {
    case "exact":
      return `The same prompt was rendered ${ago(told.age_seconds)}.${saved(told)}`;
    case "near": {
      const match = told.matched_prompt ? `“${shortened(told.matched_prompt)}”` : "An earlier clip";
      const sure = told.confidence == null ? "" : ` (${percent(told.confidence)} expected by the judge)`;
      return `${match} fits${sure}. It was rendered ${ago(told.age_seconds)}.${saved(told)}`;
    }
    case "joined":
      return open
        ? "The same clip is already being rendered; you share it."
        : `The same clip was already being rendered, so you shared it.${saved(told)}`;
    case "bypass":
      return open ? "A new take, without looking in the cache." : `A new take, rendered${took(told)} without looking in the cache.`;
    default:
      return open ? "No clip in the cache fits, so it is being rendered." : `No clip in the cache fitted, so it was rendered${took(told)}. Next time it is there.`;
  }
}

/** "Started from “a red ball”: 12 of 40 steps spared." `ran`: the steps that were not. */
export function startedFrom(assisted, ran) {
  const near = assisted.prompt ? `“${shortened(assisted.prompt)}”` : "another clip";
  const donor = assisted.kind === "take" ? "an earlier take" : near;
  return `Started from ${donor}: ${assisted.steps_skipped} of ${assisted.steps_skipped + ran} steps spared.`;
}

/** The state of an open video, with its progress and the time left. */
export function progressWords(video) {
  const told = video.reprise ?? {};
  const left = told.eta_ms > 0 ? `, about ${duration(Math.max(1000, told.eta_ms))} left` : "";
  if (video.status === "queued") {
    const ahead = Math.max(0, (told.queue_position ?? 1) - 1);
    return ahead ? `Waiting, ${ahead} ahead of you${left}` : `Next in the queue${left}`;
  }
  return `${STAGES[told.stage]?.[0] ?? "Rendering"}${left}`;
}

/** "Near, in 14 ms". */
export function headline(video, answeredMs) {
  if (video.status === "failed") return failedWord(video);
  return (VERDICTS[video.reprise?.verdict] ?? "Done") + (answeredMs == null ? "" : `, in ${duration(answeredMs)}`);
}

export const failedWord = (video) => (video.error?.code === "cancelled" ? "Cancelled" : "Failed");

/** The text for screen readers: the state whenever it changes, but not every percent. */
export function spoken(video) {
  if (video.status === "failed") return `${failedWord(video)}. ${video.error?.message ?? ""}`;
  if (video.status === "completed") return `${VERDICTS[video.reprise?.verdict] ?? "Done"}. ${sentence(video)}`;
  return progressWords({ ...video, reprise: { ...video.reprise, eta_ms: null } });
}

/** The parts of "colour of *ball*: blue / red", so that the page can style them; null if the reason has another form. */
export function contrast(reason) {
  const found = /^([^:]{1,60}): (.{1,80}?) \/ (.{1,80})$/.exec(reason);
  return found && { about: found[1].replaceAll("*", ""), wanted: found[2].replaceAll("*", ""), there: found[3].replaceAll("*", "") };
}

/** Refusals with a reason of their own, and one sentence for those that were merely not similar enough. */
export function sortedRefusals(list) {
  const unlike = list.filter(({ reason }) => reason.startsWith("similarity"));
  const telling = list.filter((one) => !unlike.includes(one));
  if (!unlike.length) return { telling, rest: null };
  const most = Math.max(...unlike.map(({ similarity }) => similarity ?? 0));
  const clips = `${unlike.length} ${telling.length ? "more " : ""}${unlike.length === 1 ? "clip was" : "clips were"}`;
  return { telling, rest: `${clips} not similar enough: ${percent(most)}${unlike.length === 1 ? "" : " at most"}` };
}

/** How much sooner a hit came than the render that it spared: "131x faster"; "" where that is less than twice. */
export function faster(sparedMs, answeredMs) {
  const times = sparedMs / Math.max(1, answeredMs);
  return times < 2 ? "" : `${times < 10 ? times.toFixed(1) : Math.round(times).toLocaleString("en")}× faster`;
}

export function totals(videos) {
  const reused = videos.filter(({ reprise }) => ["exact", "near", "joined"].includes(reprise?.verdict)).length;
  const seconds = videos.reduce((sum, { reprise }) => sum + (reprise?.gpu_seconds_saved ?? 0), 0);
  return `${reused} of ${videos.length} without rendering again, ${gpuSeconds(seconds)} GPU-seconds saved`;
}
