// The files one by one. At most a hundred are on the page, whatever their number: what needs a person, what moves, what
// comes next.
import { counted, say, size, whole } from "../words.js";
import { batch, kindOf } from "./batch.js";
import { button, drawnBy, GLYPHS, made, part } from "./page.js";
import { why } from "./review.js";

const SHOWN = 100;
const RANKS = { failed: 0, sending: 1, taking: 1, waiting: 2, done: 3 };
const rows = document.querySelector("#list .rows");
const drawn = new Map();

// `changed` is called when somebody takes a file out.
export function list(changed) {
  const ranks = [[], [], [], []];
  for (const item of batch.items) {
    const rank = ranks[item.hasTrouble ? 0 : RANKS[item.state]];
    if (rank.length < SHOWN) rank.push(item);
  }
  const shown = ranks.flat().slice(0, SHOWN);
  for (const item of drawn.keys()) if (!shown.includes(item)) drawn.delete(item);
  const wanted = shown.map((item) => row(item, changed));
  if (wanted.length !== rows.children.length || wanted.some((one, n) => rows.children[n] !== one)) rows.replaceChildren(...wanted);
  part("list").hidden = !batch.items.length || !part("review").hidden; // the review names them all
  part("rest").hidden = batch.items.length <= SHOWN;
  part("rest").textContent = counted("files_more", batch.items.length - shown.length);
}

function row(item, changed) {
  let one = drawn.get(item);
  if (!one) {
    one = made("li");
    one.append(made("bdi", item.path, "name"), made("span", "", "state"));
    drawn.set(item, one);
  }
  const words = wordsOf(item);
  const key = `${item.state} ${words} ${item.state === "sending" ? "" : item.sent} ${batch.isSending}`;
  const state = one.lastChild;
  if (one.dataset.drawn !== key) {
    one.dataset.drawn = key;
    state.className = `state ${item.state === "failed" ? "bad" : item.hasTrouble ? "warn" : ""}`;
    state.replaceChildren(drawnBy(item.hasTrouble ? GLYPHS.trouble : GLYPHS[item.state]), made("span", words));
    if (item.state === "sending") state.append(bar(item));
    if (item.state === "waiting" && !batch.isSending) state.append(remover(item, changed));
  }
  const moving = state.querySelector("progress");
  if (moving) moving.value = item.sent;
  return one;
}

function bar(item) {
  const one = made("progress");
  one.max = item.file.size || 1;
  one.setAttribute("aria-label", say("sending_file", { file: item.path }));
  return one;
}

function remover(item, changed) {
  const one = button(say("remove"), () => {
    batch.items = batch.items.filter((other) => other !== item);
    changed();
    part("send").focus();
  });
  one.setAttribute("aria-label", say("remove_file", { file: item.path }));
  return one;
}

function wordsOf(item) {
  if (item.state === "waiting") return say(batch.isSending ? "waits" : "ready", { size: size(item.file.size) });
  if (item.state === "sending") return size(item.file.size);
  if (item.state === "taking") return say("taking");
  if (item.state === "failed") return item.words;
  const outcomes = item.outcomes;
  const trouble = outcomes.filter((one) => one.error);
  if (outcomes.length === 1) return trouble.length ? why(trouble[0]) : say(kindOf(outcomes[0]));
  const kept = outcomes.length - trouble.length;
  return trouble.length ? say("in_but", { kept: whole(kept), lost: whole(trouble.length), why: why(trouble[0]) }) : counted("all_in", kept);
}
