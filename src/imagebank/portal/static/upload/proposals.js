// What may be so of files, as `parts/proposals.html` shows it without script: values with five bars, and why.
import { counted, say, words } from "../words.js";
import { made } from "./page.js";

const MOST = 12;
const LIKELY = 4;
const SVG = "http://www.w3.org/2000/svg";

// Each value once, as it is surest.
export function proposedOf(outcomes) {
  const found = new Map();
  for (const one of outcomes.flatMap((each) => each.proposals ?? [])) {
    const key = `${one.field} ${one.value}`;
    if (!found.has(key) || found.get(key).confidence < one.confidence) found.set(key, one);
  }
  return [...found.values()].slice(0, MOST);
}

export function proposals(shown, isOpen) {
  const details = made("details", "", "proposals");
  details.open = isOpen;
  const list = made("ul");
  for (const one of shown) {
    const entry = made("li", "", one.bars < LIKELY ? "low" : "");
    const plain = one.field === "taken_at" ? one.value.replace("T", " ") : one.value.replaceAll("^", " ");
    const value = made("bdi", words.values[one.field]?.[one.value] ?? plain, "value");
    if (one.sure) value.append(" ", made("span", say("filled_in"), "quiet"));
    entry.append(made("span", words.labels[one.field] ?? one.field, "field"), value, confidence(one));
    list.append(entry);
  }
  details.append(made("summary", counted("proposals", shown.length)), list);
  return details;
}

function confidence(one) {
  const shown = made("span", "", one.bars < LIKELY ? "confidence low" : "confidence");
  const drawn = svg("svg", { viewBox: "0 0 58 14", role: "img", "aria-label": say("confidence", { bars: one.bars }) });
  for (let place = 0; place < 5; place += 1) {
    drawn.append(svg("rect", { x: place * 12 + 0.5, y: 0.5, width: 9, height: 13, rx: 1, class: place < one.bars ? "on" : "" }));
  }
  shown.append(drawn, made("span", one.evidence, "why"));
  return shown;
}

function svg(tag, attributes) {
  const one = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  return one;
}
