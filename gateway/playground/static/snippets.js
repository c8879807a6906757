// The request of the form as code to copy: for a shell, for Python and for TypeScript. Text in, text out, but for `Snippets`.

import { byId, el, say } from "./dom.js";

const LANGUAGES = { curl: curlLine, Python: python, TypeScript: typeScript };

/** A shell command. Within single quotes a shell interprets nothing but the closing quote. */
export function curlLine(origin, ask, keyed) {
  const body = JSON.stringify(ask).replaceAll("'", "'\\''");
  const key = keyed ? ' -H "Authorization: Bearer $KEY"' : "";
  return `curl -s ${origin}/v1/videos -H "Prefer: wait=60"${key} --json '${body}'`;
}

export function python(origin, ask, keyed) {
  const headers = keyed ? '{"Prefer": "wait=60", "Authorization": f"Bearer {key}"}' : '{"Prefer": "wait=60"}';
  return [
    "import httpx",
    "",
    `ask = ${literal(ask)}`,
    `video = httpx.post("${origin}/v1/videos", json=ask, headers=${headers}, timeout=90).json()`,
    'print(video["id"], video["status"], video["reprise"]["verdict"])',
  ].join("\n");
}

export function typeScript(origin, ask, keyed) {
  const key = keyed ? ', Authorization: `Bearer ${key}`' : "";
  return [
    `const answer = await fetch("${origin}/v1/videos", {`,
    '  method: "POST",',
    `  headers: { "Content-Type": "application/json", Prefer: "wait=60"${key} },`,
    `  body: JSON.stringify(${JSON.stringify(ask)}),`,
    "});",
    "const video = await answer.json();",
    "console.log(video.id, video.status, video.reprise.verdict);",
  ].join("\n");
}

/** A Python dict. Our requests hold text and whole numbers, which Python writes as JSON does. */
const literal = (ask) => `{${Object.entries(ask).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`).join(", ")}}`;

/** The tabs, and the code of the chosen one. */
export class Snippets {
  #language = "curl";
  #given = ["", {}, false];

  constructor() {
    const choose = (name) => () => {
      this.#language = name;
      this.#draw();
    };
    const buttons = Object.keys(LANGUAGES).map((name) => el("button", { type: "button", class: "small", "data-language": name, click: choose(name) }, name));
    byId("languages").replaceChildren(...buttons);
    byId("copy").addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId("code").textContent);
      say(byId("copied"), "Copied.");
    });
  }

  show(origin, ask, keyed) {
    this.#given = [origin, ask, keyed];
    this.#draw();
  }

  #draw() {
    for (const button of byId("languages").children) button.setAttribute("aria-pressed", String(button.dataset.language === this.#language));
    byId("code").textContent = LANGUAGES[this.#language](...this.#given);
    say(byId("copied"), "");
  }
}
