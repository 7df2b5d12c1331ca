// The review: what became of everything, what needs a person first.
import { counted, say, whole, words } from "../words.js";
import { batch, kindOf, KINDS } from "./batch.js";
import { button, drawnBy, form, GLYPHS, made, part } from "./page.js";
import { proposals, proposedOf } from "./proposals.js";

const SHOWN = 100;
const SHORT = 5; // so few have their proposals open
const MARKS = { failed: GLYPHS.failed, refused: GLYPHS.trouble, quarantined: GLYPHS.trouble, unidentified: GLYPHS.unknown };

// Why the bank did not take an object in, and where it lies.
export function why(one) {
  return one.quarantine === undefined ? one.why : `${one.why} ${say("in_quarantine", { number: one.quarantine })}`;
}

export function review() {
  const found = new Map(KINDS.map((kind) => [kind, []]));
  for (const item of batch.items) {
    if (item.state === "failed") found.get("failed").push({ file: item.path, error: {}, why: item.words });
    for (const one of item.outcomes ?? []) found.get(kindOf(one)).push(one);
  }
  const groups = KINDS.filter((kind) => found.get(kind).length).map((kind) => group(kind, found.get(kind)));
  part("review").replaceChildren(...groups);
  part("review").hidden = !groups.length;
}

function group(kind, outcomes) {
  const section = made("section", "", `group ${kind}`);
  const heading = made("h2");
  heading.append(drawnBy(MARKS[kind] ?? GLYPHS.done, "mark"), ` ${say(kind)} `, made("span", whole(outcomes.length), "quiet"));
  section.append(heading);
  if (`${kind}_next` in words) section.append(made("p", say(`${kind}_next`), "quiet"));
  for (const warning of new Set(outcomes.flatMap((one) => one.warnings ?? []))) section.append(made("p", warning, "quiet"));
  const list = made("ul", "", "rows");
  section.append(list);
  more(section, list, entriesOf(kind, outcomes), 0);
  return section;
}

function entriesOf(kind, outcomes) {
  if (outcomes[0].error) return outcomes.map((one) => ({ name: one.file, why: why(one), proposed: [] }));
  if (kind === "unidentified") return outcomes.map((one) => ({ name: one.file, study: one.study, proposed: proposedOf([one]) }));
  return byStudy(outcomes);
}

function byStudy(outcomes) {
  const studies = new Map();
  for (const one of outcomes) {
    if (!studies.has(one.study)) studies.set(one.study, []);
    studies.get(one.study).push(one);
  }
  return [...studies].map(([study, all]) => {
    const name = all.length === 1 ? all[0].file : counted("file_and_more", all.length - 1, { file: all[0].file });
    return { name, study, proposed: proposedOf(all) };
  });
}

function more(section, list, entries, from) {
  for (const entry of entries.slice(from, from + SHOWN)) list.append(entryOf(entry, entries.length <= SHORT));
  const rest = entries.length - from - SHOWN;
  if (rest <= 0) return;
  const next = button(counted("show_more", Math.min(rest, SHOWN), { rest: whole(rest) }), () => {
    next.remove();
    more(section, list, entries, from + SHOWN);
  });
  section.append(next);
}

function entryOf({ name, why: reason, study, proposed }, isOpen) {
  const one = made("li");
  one.append(made("bdi", name, "name"));
  if (reason) one.append(made("span", reason));
  if (study && form.dataset.looks === "yes") {
    const link = made("a", say("open_study"));
    link.href = `/studies/${study}`;
    link.append(made("span", ` ${say("of_file", { name })}`, "hidden"));
    one.append(link);
  }
  if (proposed.length) one.append(proposals(proposed, isOpen));
  return one;
}
