// What the page says. Pure: numbers and answers in, sentences out.

const STAGES = {
  queue: ["Waiting", "waiting"],
  load: ["Loading the model", "load"],
  text_encode: ["Reading your words", "words"],
  denoise: ["Finding the film in the noise", "denoise"],
  vae_decode: ["Turning it into pictures", "pictures"],
  film: ["Cutting the film", "film"],
  store: ["Putting it on the shelf", "shelf"],
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
  if (seconds == null) return "before";
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
      return `These very words were rendered ${ago(told.age_seconds)}.${saved(told)}`;
    case "near": {
      const match = told.matched_prompt ? `“${shortened(told.matched_prompt)}”` : "A clip from before";
      const sure = told.confidence == null ? "" : `, ${percent(told.confidence)} sure`;
      return `${match} fits${sure}. It was rendered ${ago(told.age_seconds)}.${saved(told)}`;
    }
    case "joined":
      return open
        ? "The same clip is being made right now; you share it."
        : `The same clip was just being made, so you shared it.${saved(told)}`;
    case "bypass":
      return open ? "A fresh one, without looking at what is there." : `Made fresh${took(told)}, without looking at what was there.`;
    default:
      return open ? "Nothing on the shelf fits, so it is being rendered." : `Nothing on the shelf fitted, so it was rendered${took(told)}. Next time it is there.`;
  }
}

/** What is going on in an open video, with how far and how long. */
export function progressWords(video) {
  const told = video.reprise ?? {};
  const left = told.eta_ms > 0 ? `, about ${duration(Math.max(1000, told.eta_ms))} left` : "";
  if (video.status === "queued") {
    const ahead = Math.max(0, (told.queue_position ?? 1) - 1);
    return ahead ? `Waiting, ${ahead} ahead of you${left}` : `Next in line${left}`;
  }
  return `${STAGES[told.stage]?.[0] ?? "Rendering"}${left}`;
}

/** "Near, in 14 ms". */
export function headline(video, answeredMs) {
  if (video.status === "failed") return failedWord(video);
  return (VERDICTS[video.reprise?.verdict] ?? "Done") + (answeredMs == null ? "" : `, in ${duration(answeredMs)}`);
}

export const failedWord = (video) => (video.error?.code === "cancelled" ? "Cancelled" : "Failed");

/** What a screen reader hears: where things stand, when that changes, and not every percent. */
export function spoken(video) {
  if (video.status === "failed") return `${failedWord(video)}. ${video.error?.message ?? ""}`;
  if (video.status === "completed") return `${VERDICTS[video.reprise?.verdict] ?? "Done"}. ${sentence(video)}`;
  return progressWords({ ...video, reprise: { ...video.reprise, eta_ms: null } });
}

/** "colour of *ball*: blue / red" in parts, so that the page can set them apart; null where it has another shape. */
export function contrast(reason) {
  const found = /^([^:]{1,60}): (.{1,80}?) \/ (.{1,80})$/.exec(reason);
  return found && { about: found[1].replaceAll("*", ""), wanted: found[2].replaceAll("*", ""), there: found[3].replaceAll("*", "") };
}

/** Those with a reason of their own, and one sentence for those that were merely not alike. */
export function sortedRefusals(list) {
  const unlike = list.filter(({ reason }) => reason.startsWith("similarity"));
  const telling = list.filter((one) => !unlike.includes(one));
  if (!unlike.length) return { telling, rest: null };
  const most = Math.max(...unlike.map(({ similarity }) => similarity ?? 0));
  const clips = `${unlike.length} ${telling.length ? "more " : ""}${unlike.length === 1 ? "clip was" : "clips were"}`;
  return { telling, rest: `${clips} not alike enough: ${percent(most)}${unlike.length === 1 ? "" : " at most"}` };
}

/** A line for a shell. In single quotes a shell reads nothing but the closing quote. */
export function curlLine(origin, prompt, keyed) {
  const body = JSON.stringify({ prompt }).replaceAll("'", "'\\''");
  const key = keyed ? ' -H "Authorization: Bearer $KEY"' : "";
  return `curl -s ${origin}/v1/videos${key} --json '${body}'`;
}

export function totals(videos) {
  const reused = videos.filter(({ reprise }) => ["exact", "near", "joined"].includes(reprise?.verdict)).length;
  const seconds = videos.reduce((sum, { reprise }) => sum + (reprise?.gpu_seconds_saved ?? 0), 0);
  return `${reused} of ${videos.length} without rendering anew, ${gpuSeconds(seconds)} GPU-seconds saved`;
}
