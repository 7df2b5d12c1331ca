// The parts of the upload page, and new ones.
export const form = document.querySelector("form.upload");
export const part = (name) => document.getElementById(name);
export const GLYPHS = { waiting: "○", sending: "↑", taking: "↑", done: "✓", trouble: "⚠", failed: "⚠", unknown: "?" };

export function made(tag, text = "", className = "") {
  const one = document.createElement(tag);
  one.textContent = text;
  one.className = className;
  return one;
}

export function drawnBy(glyph, className = "") {
  const one = made("span", glyph, className);
  one.setAttribute("aria-hidden", "true");
  return one;
}

export function button(text, act) {
  const one = made("button", text, "button");
  one.type = "button";
  one.addEventListener("click", act);
  return one;
}
