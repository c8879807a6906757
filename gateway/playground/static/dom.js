// Text from prompts and answers only ever becomes text: nodes are made here, never parsed from strings.

export const byId = (id) => document.getElementById(id);

/** An element. `attributes` with a function are listeners; false, null and undefined leave the attribute out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

/** Puts `text` into `node` only when it differs: a live region repeats nothing, a selection stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
  node.hidden = text === "";
}
