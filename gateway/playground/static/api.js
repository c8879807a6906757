// The /v1 API as this page uses it. Every failure becomes a Problem, whatever its cause.

/** Where this instance is shown: files of this page are two folders below it. Empty at the root of its host. */
export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const VIDEO_ID = /^video_[A-Za-z0-9_-]{1,100}$/;
const KEY = "reprise-key";
const SOONEST_MS = 100;
const LATEST_MS = 10_000;

export class Problem extends Error {
  /** `status` is 0 if there was no answer; `retryAfter` is in seconds, or null. */
  constructor(status, { message, code = null, param = null } = {}, retryAfter = null) {
    super(message || `The server answered HTTP ${status} without a reason.`);
    Object.assign(this, { status, code, param, retryAfter });
  }

  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const isVideoId = (text) => VIDEO_ID.test(text);

/** Kept for this tab only. Throws where storage is switched off: an instance with keys needs it. */
export const keepKey = (text) => sessionStorage.setItem(KEY, text);
export const hasKey = () => Boolean(key());

function key() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage can be switched off; open mode needs no key
  }
}

async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (key()) all.Authorization = `Bearer ${key()}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers: all, body: body === undefined ? undefined : JSON.stringify(body), signal });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Problem(0, { message: "Reprise does not answer. Is it running?" });
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, told.error, waitOf(answer.headers.get("Retry-After")));
}

/** Retry-After is a number of seconds or a date. */
function waitOf(header) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

const seen = async (answer) => ({
  video: await answer.json(),
  pollAfter: Math.min(LATEST_MS, Math.max(SOONEST_MS, Number(answer.headers.get("openai-poll-after-ms")) || 500)),
});

export const pathOf = (id) => `${ROOT}/v1/videos/${encodeURIComponent(id)}`;
export const isOpen = (video) => video.status === "queued" || video.status === "in_progress";

// Browsers add `no-cache` themselves while their developer tools disable the cache, which would render every clip again.
// "max-stale" accepts any age, and takes its place.
export async function create(ask, { fresh = false } = {}) {
  const headers = { "Cache-Control": fresh ? "no-cache" : "max-stale" };
  return seen(await send(`${ROOT}/v1/videos`, { method: "POST", body: ask, headers }));
}

export const retrieve = async (id, signal) => seen(await send(pathOf(id), { signal }));
export const cancel = async (id) => (await send(`${pathOf(id)}/cancel`, { method: "POST" })).json();
export const judge = (id, satisfied) => send(`${pathOf(id)}/feedback`, { method: "POST", body: { satisfied } });
export const latest = async (limit) => (await (await send(`${ROOT}/v1/videos?limit=${limit}`)).json()).data ?? [];
export const models = async () => (await (await send(`${ROOT}/v1/models`)).json()).data ?? [];

/** Polls until the video is closed. A gateway that is away for a moment is polled again; `told` is called with the fault. */
export async function follow(first, told, signal) {
  let { video, pollAfter } = first;
  while (isOpen(video)) {
    await pause(pollAfter, signal);
    try {
      ({ video, pollAfter } = await retrieve(video.id, signal));
      await told(video, null);
    } catch (fault) {
      if (!(fault instanceof Problem) || !fault.passes) throw fault;
      pollAfter = fault.retryAfter === null ? Math.min(LATEST_MS, pollAfter * 2) : Math.max(SOONEST_MS, fault.retryAfter * 1000);
      await told(video, fault);
    }
  }
  return video;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("no longer wanted", "AbortError"));
    });
  });
}

/** Where an element can load this from. Elements cannot send a key, so with a key the bytes are fetched first.
 * `refused`: the place of a clip that was refused for it, from 1; null for its own.
 */
export async function source(id, variant = "video", refused = null) {
  const path = `${pathOf(id)}/content?variant=${variant}${refused === null ? "" : `&refused=${refused}`}`;
  if (!key()) return path;
  return URL.createObjectURL(await (await send(path)).blob());
}
