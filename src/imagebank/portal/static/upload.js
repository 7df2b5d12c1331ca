// Sends files piece by piece, three at once. It goes on where it was after the line broke, or when the same files are
// chosen again after the page was left, and says what became of each. Without it the page is a plain form.
const form = document.querySelector("form.upload");
const part = (name) => document.getElementById(name);
const rows = document.querySelector("#list .rows");
const drop = form.querySelector(".files");

const UPLOADS = "/api/v1/uploads";
const TYPE = "application/offset+octet-stream";
const TUS = { "Tus-Resumable": "1.0.0" };
const AT_ONCE = 3;
const PIECE = 8 << 20;
const SMALL = 1 << 20; // so small a file comes with its beginning
const SHOWN = 100;
const SHORT = 5; // so few have their proposals open
const PROPOSED = 12;
const SVG = "http://www.w3.org/2000/svg";
const WORDS = JSON.parse(form.dataset.words);
const TRIES = 12;
const SAID = [
  "patient_id", "patient_issuer", "birth_date", "sex", "department", "taken_at", "description", "body_part",
  "laterality", "technique", "accession_number", "order", "encounter", "hospital",
];
const WHO = ["patient_id", "patient_issuer", "patient_name", "birth_date", "sex"];

let items = [];
let queue = [];
let working = 0;
const busy = new Set();
let isPaused = false;
let isSending = false;
let begunAt = 0;
let begunWith = 0;
let heardAt = 0;
let wake = () => {};

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const counted = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
const sentence = (text) => text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  const step = bytes ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0;
  return `${(bytes / 1000 ** step).toFixed(step > 1 ? 1 : 0)} ${units[step]}`;
}

function made(tag, text = "", className = "") {
  const one = document.createElement(tag);
  one.textContent = text;
  one.className = className;
  return one;
}

// What is remembered until the tab closes: digests of files with the addresses of their uploads, and no name.
const known = new Map();
const memory = {
  get(name) {
    try {
      return known.get(name) ?? sessionStorage.getItem(`upload ${name}`) ?? "";
    } catch {
      return "";
    }
  },
  set(name, value) {
    known.set(name, value);
    try {
      sessionStorage.setItem(`upload ${name}`, value);
    } catch {
      // A full or closed store: the file is sent anew after the page was left.
    }
  },
};

function random() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

function remembered(name) {
  const found = memory.get(name) || random();
  memory.set(name, found);
  return found;
}

async function printOf(item) {
  const start = await item.file.slice(0, 65536).arrayBuffer(); // fails for a file that cannot be read any more
  if (!crypto.subtle) return ""; // by plain http nothing is remembered
  const said = [remembered("salt"), item.path, item.file.size, item.file.lastModified, item.said];
  const words = new TextEncoder().encode(JSON.stringify(said));
  const digest = await crypto.subtle.digest("SHA-256", await new Blob([words, start]).arrayBuffer());
  return [...new Uint8Array(digest)].map((one) => one.toString(16).padStart(2, "0")).join("");
}

// Asking. An Error with `status` 0 is a line that broke; one without is of something else.

class Refused extends Error {
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

function ask(item, method, address, headers = {}, body = null, progress = () => {}) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    item.request = request;
    request.open(method, address);
    for (const [name, value] of Object.entries({ ...TUS, ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onload = () => done(request);
    request.onerror = request.ontimeout = () => failed(new Refused(0, "the line broke"));
    request.onabort = () => failed(new Refused(-1, "paused"));
    request.send(body);
  });
}

function refusal(request) {
  let words = "";
  try {
    words = JSON.parse(request.responseText).message;
  } catch {
    // An answer of a proxy's.
  }
  return new Refused(request.status, words || `the server answered ${request.status}`);
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

async function begin(item) {
  const said = Object.entries({ filename: item.path, ...item.said }).filter(([, value]) => value);
  const headers = {
    "Upload-Length": item.file.size,
    "Upload-Metadata": said.map(([name, value]) => `${name} ${base64(value)}`).join(","),
  };
  const isSmall = item.file.size <= SMALL;
  if (isSmall) headers["Content-Type"] = TYPE;
  const answer = await ask(item, "POST", UPLOADS, headers, isSmall ? item.file : null, (sent) => note(item, sent));
  if (answer.status !== 201) throw refusal(answer);
  item.address = new URL(answer.getResponseHeader("Location"), location.href).pathname;
  if (item.print) memory.set(item.print, item.address);
  return Number(answer.getResponseHeader("Upload-Offset"));
}

async function resumed(item) {
  item.address ||= item.print && memory.get(item.print);
  if (!item.address) return begin(item);
  const answer = await ask(item, "HEAD", item.address);
  if (answer.status === 200 && Number(answer.getResponseHeader("Upload-Length")) === item.file.size) {
    return Number(answer.getResponseHeader("Upload-Offset"));
  }
  if (![200, 404].includes(answer.status)) throw refusal(answer);
  item.address = "";
  return begin(item);
}

async function send(item) {
  item.print ??= await printOf(item);
  let offset = await resumed(item);
  while (offset < item.file.size) {
    note(item, offset);
    const headers = { "Upload-Offset": offset, "Content-Type": TYPE };
    const piece = item.file.slice(offset, offset + PIECE);
    const from = offset;
    const answer = await ask(item, "PATCH", item.address, headers, piece, (sent) => note(item, from + sent));
    if (answer.status === 204) item.tries = 0;
    else if (answer.status !== 409) throw refusal(answer);
    offset = answer.status === 204 ? Number(answer.getResponseHeader("Upload-Offset")) : await resumed(item);
  }
  note(item, item.file.size);
  item.state = "taking";
  await deposit(item);
}

async function deposit(item) {
  for (;;) {
    const answer = await ask(item, "POST", `${item.address}/deposit`);
    if ([200, 207].includes(answer.status)) {
      item.outcomes = JSON.parse(answer.responseText).outcomes;
      item.hasTrouble = item.outcomes.some((one) => one.error);
      item.state = "done";
      return;
    }
    // It is being taken in already, for a page that was left.
    if (answer.status !== 409) throw refusal(answer);
    await wait(2000);
  }
}

function note(item, sent) {
  item.sent = Math.min(sent, item.file.size);
  draw();
}

// Working through the queue.

async function work() {
  working += 1;
  while (!isPaused && queue.length) {
    const item = queue.shift();
    busy.add(item);
    item.state = "sending";
    try {
      await send(item);
      busy.delete(item);
      tell("");
    } catch (error) {
      busy.delete(item);
      await stumble(item, error);
    }
    draw();
  }
  working -= 1;
  if (isSending && !working && !queue.length) finish();
}

async function stumble(item, error) {
  const status = error.status;
  if (status === -1) {
    again(item);
  } else if ([401, 403, 507].includes(status)) {
    again(item);
    const next = { 401: "Sign in again in another tab, then go on.", 507: "Go on when there is room." }[status] ?? "";
    pause(`${sentence(error.message)} ${next}`);
  } else if ((status === 0 || status === 404 || status === 408 || status === 429 || status >= 500) && item.tries < TRIES) {
    item.tries += 1;
    again(item);
    if (status === 0) tell("The line is lost. What has come is safe, and it goes on by itself.");
    await Promise.race([wait(Math.min(30000, 500 * 2 ** item.tries)), new Promise((done) => (wake = done))]);
  } else {
    item.state = "failed";
    item.words = status === undefined ? "The browser cannot read this file any more. Choose it again." : sentence(error.message);
  }
}

function again(item) {
  item.state = "waiting";
  queue.unshift(item);
}

function start() {
  isSending = true;
  isPaused = false;
  begunAt = Date.now();
  begunWith = sentBytes();
  memory.set("open", "yes");
  part("pause").textContent = "Pause";
  tell("");
  for (let n = working; n < AT_ONCE; n += 1) work();
  draw(true);
}

function pause(words) {
  isPaused = true;
  part("pause").textContent = "Go on";
  tell(words);
  for (const item of busy) if (item.state === "sending") item.request?.abort();
  draw();
}

function tell(words) {
  const line = part("line");
  if (line.textContent !== words) line.textContent = words;
  line.hidden = !words;
}

function finish() {
  isSending = isPaused = false;
  memory.set("open", "");
  review();
  draw(true);
  const failed = items.filter((item) => item.state === "failed").length;
  part("sending-title").textContent = failed ? "Sent, but not all of it" : "Sent";
  part("again").hidden = !failed;
  part("more").hidden = false;
  part("pause").hidden = true;
  hear(`${summary()} ${failed ? counted(failed, "file", "files") + " could not be sent." : ""}`, true);
}

// What is seen.

const GLYPHS = { waiting: "○", sending: "↑", taking: "↑", done: "✓", failed: "⚠" };
const GROUPS = [
  ["failed", "Not sent", "Nothing of these was kept. Try again, or choose them again."],
  ["refused", "Not kept", "Why stands beside each. Send again what can be mended."],
  ["quarantined", "Kept apart", "Kept safely, but not with the images yet. An administrator decides."],
  ["unidentified", "In, but nobody knows whose", "They are kept. Somebody has to say whose they are."],
  ["stored", "In", ""],
  ["duplicate", "Were here already", "Nothing was kept twice."],
  ["read", "Tables of contents of discs", "What they name is looked for."],
];
const MARKS = { failed: "⚠", refused: "⚠", quarantined: "⚠", unidentified: "?" };
const kindOf = (one) => (one.unidentified && one.outcome === "stored" ? "unidentified" : one.outcome);

function sentBytes() {
  return items.reduce((all, item) => all + item.sent, 0);
}

function tally() {
  const found = {};
  for (const item of items) {
    for (const one of item.outcomes ?? []) found[kindOf(one)] = (found[kindOf(one)] ?? 0) + 1;
  }
  return found;
}

function summary() {
  const found = tally();
  const words = { stored: "in", duplicate: "here already", unidentified: "in but of nobody known", quarantined: "kept apart", refused: "not kept", read: "tables of contents" };
  return Object.keys(words).filter((kind) => found[kind]).map((kind) => `${found[kind].toLocaleString("en")} ${words[kind]}`).join(", ") + (Object.keys(found).length ? "." : "");
}

function left(done, total) {
  const seconds = (Date.now() - begunAt) / 1000;
  const speed = (done - begunWith) / seconds;
  if (isPaused || seconds < 3 || !(speed > 0)) return "";
  const minutes = Math.ceil((total - done) / speed / 60);
  return ` · ${minutes <= 1 ? "less than a minute" : `${minutes} minutes`} left`;
}

let isDrawn = true;
function draw(isNow = false) {
  if (isNow) return paint();
  if (!isDrawn) return;
  isDrawn = false;
  setTimeout(() => {
    isDrawn = true;
    paint();
  }, 250);
}

function paint() {
  const total = items.reduce((all, item) => all + item.file.size, 0);
  const sent = sentBytes();
  const done = items.filter((item) => item.state === "done").length;
  part("send").textContent = items.length ? `Send ${counted(items.length, "file", "files")}` : "Send";
  part("clear").hidden = !items.length || isSending;
  part("all").max = total || 1;
  part("all").value = total ? sent : 0;
  part("count").textContent = `${done.toLocaleString("en")} of ${counted(items.length, "file", "files")} · ${size(sent)} of ${size(total)}${isSending ? left(sent, total) : ""}${isPaused && isSending ? " · paused" : ""}. ${summary()}`;
  if (isSending) {
    part("sending-title").textContent = isPaused ? "Paused" : "Sending";
    hear(`${done} of ${items.length} files sent.`);
  }
  list();
}

function hear(words, isNow = false) {
  if (!isNow && Date.now() - heardAt < 10000) return;
  heardAt = Date.now();
  part("heard").textContent = words;
}

// At most a hundred files are on the page, whatever their number: what needs a person, what moves, what comes next.
const RANKS = { failed: 0, sending: 1, taking: 1, waiting: 2, done: 3 };
const drawn = new Map();

function list() {
  const ranks = [[], [], [], []];
  for (const item of items) {
    const rank = ranks[item.hasTrouble ? 0 : RANKS[item.state]];
    if (rank.length < SHOWN) rank.push(item);
  }
  const shown = ranks.flat().slice(0, SHOWN);
  for (const item of drawn.keys()) if (!shown.includes(item)) drawn.delete(item);
  const wanted = shown.map(row);
  if (wanted.length !== rows.children.length || wanted.some((one, n) => rows.children[n] !== one)) rows.replaceChildren(...wanted);
  part("list").hidden = !items.length || !part("review").hidden; // the review names them all
  part("rest").hidden = items.length <= SHOWN;
  part("rest").textContent = `And ${counted(items.length - shown.length, "more file", "more files")}.`;
}

function row(item) {
  let one = drawn.get(item);
  if (!one) {
    one = made("li");
    const name = made("bdi", item.path, "name");
    one.append(name, made("span", "", "state"));
    drawn.set(item, one);
  }
  const words = wordsOf(item);
  const key = `${item.state} ${words} ${item.state === "sending" ? "" : item.sent} ${isSending}`;
  const state = one.lastChild;
  if (one.dataset.key !== key) {
    one.dataset.key = key;
    state.className = `state ${item.state === "failed" ? "bad" : item.hasTrouble ? "warn" : ""}`;
    const glyph = made("span", item.hasTrouble ? "⚠" : GLYPHS[item.state]);
    glyph.setAttribute("aria-hidden", "true");
    state.replaceChildren(glyph, made("span", words));
    if (item.state === "sending") state.append(bar(item));
    if (item.state === "waiting" && !isSending) state.append(remover(item));
  }
  const moving = state.querySelector("progress");
  if (moving) moving.value = item.sent;
  return one;
}

function bar(item) {
  const one = made("progress");
  one.max = item.file.size || 1;
  one.setAttribute("aria-label", `Sending ${item.path}`);
  return one;
}

function remover(item) {
  const one = made("button", "Remove", "button");
  one.type = "button";
  one.setAttribute("aria-label", `Remove ${item.path}`);
  one.addEventListener("click", () => {
    items = items.filter((other) => other !== item);
    draw(true);
    part("send").focus();
  });
  return one;
}

function wordsOf(item) {
  if (item.state === "waiting") return `${size(item.file.size)}, ${isSending ? "waits" : "ready"}`;
  if (item.state === "sending") return size(item.file.size);
  if (item.state === "taking") return "has come, is being taken in";
  if (item.state === "failed") return item.words;
  const outcomes = item.outcomes;
  const trouble = outcomes.filter((one) => one.error);
  if (outcomes.length === 1) return outcomes[0].error ? told(outcomes[0]) : wordOf(outcomes[0]);
  return `${outcomes.length - trouble.length} in${trouble.length ? `, ${trouble.length} not: ${told(trouble[0])}` : ""}`;
}

const wordOf = (one) => GROUPS.find(([kind]) => kind === kindOf(one))[1];

function told(one) {
  const words = sentence(one.error?.message ?? "");
  return one.quarantine === undefined ? words : `${words} Number ${one.quarantine} in quarantine.`;
}

// The review: what became of everything, what needs a person first.

function review() {
  const found = new Map(GROUPS.map(([kind]) => [kind, []]));
  for (const item of items) {
    if (item.state === "failed") found.get("failed").push({ file: item.path, error: { message: item.words } });
    for (const one of item.outcomes ?? []) found.get(kindOf(one)).push(one);
  }
  const groups = GROUPS.filter(([kind]) => found.get(kind).length).map(([kind, title, next]) => group(kind, title, next, found.get(kind)));
  part("review").replaceChildren(...groups);
  part("review").hidden = !groups.length;
}

function group(kind, title, next, outcomes) {
  const section = made("section", "", `group ${kind}`);
  const heading = made("h2");
  const glyph = made("span", `${MARKS[kind] ?? "✓"} `, "mark");
  glyph.setAttribute("aria-hidden", "true");
  heading.append(glyph, `${title} `, made("span", outcomes.length.toLocaleString("en"), "quiet"));
  section.append(heading);
  if (next) section.append(made("p", next, "quiet"));
  const list = made("ul", "", "rows");
  section.append(list);
  for (const words of new Set(outcomes.flatMap((one) => one.warnings ?? []))) list.before(made("p", sentence(words), "quiet"));
  const entries = outcomes[0].error ? outcomes.map((one) => [one.file, told(one), "", []]) : kind === "unidentified" ? outcomes.map((one) => [one.file, "", one.study, proposedOf([one])]) : byStudy(outcomes);
  more(section, list, entries, 0);
  return section;
}

function byStudy(outcomes) {
  const studies = new Map();
  for (const one of outcomes) {
    if (!studies.has(one.study)) studies.set(one.study, []);
    studies.get(one.study).push(one);
  }
  return [...studies].map(([study, all]) => {
    const name = all.length === 1 ? all[0].file : `${all[0].file} and ${counted(all.length - 1, "more", "more")}`;
    return [name, "", study, proposedOf(all)];
  });
}

// What may be so of files, each value once, as the page without script shows it.
function proposedOf(outcomes) {
  const found = new Map();
  for (const one of outcomes.flatMap((each) => each.proposals ?? [])) {
    const key = `${one.field} ${one.value}`;
    if (!found.has(key) || found.get(key).confidence < one.confidence) found.set(key, one);
  }
  return [...found.values()].slice(0, PROPOSED);
}

function bars(one) {
  const shown = made("span", "", one.bars < 4 ? "confidence low" : "confidence");
  const drawn = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 58 14", role: "img", "aria-label": `Confidence ${one.bars} of 5` })) drawn.setAttribute(name, value);
  for (let place = 0; place < 5; place += 1) {
    const bar = document.createElementNS(SVG, "rect");
    const at = { x: place * 12 + 0.5, y: 0.5, width: 9, height: 13, rx: 1, class: place < one.bars ? "on" : "" };
    for (const [name, value] of Object.entries(at)) bar.setAttribute(name, value);
    drawn.append(bar);
  }
  shown.append(drawn, made("span", one.evidence, "why"));
  return shown;
}

function proposals(shown, isOpen) {
  const details = made("details", "", "proposals");
  details.open = isOpen;
  const list = made("ul");
  for (const one of shown) {
    const entry = made("li", "", one.bars < 4 ? "low" : "");
    const plain = one.field === "taken_at" ? one.value.replace("T", " ") : one.value.replaceAll("^", " ");
    const value = made("bdi", WORDS.values[one.field]?.[one.value] ?? plain, "value");
    if (one.sure) value.append(" ", made("span", "filled in", "quiet"));
    entry.append(made("span", WORDS.labels[one.field] ?? one.field, "field"), value, bars(one));
    list.append(entry);
  }
  details.append(made("summary", `${counted(shown.length, "proposal", "proposals")} and why`), list);
  return details;
}

function more(section, list, entries, from) {
  for (const [name, words, study, shown] of entries.slice(from, from + SHOWN)) {
    const one = made("li");
    one.append(made("bdi", name, "name"));
    if (words) one.append(made("span", words));
    if (study && form.dataset.looks === "yes") {
      const link = made("a", "Open the study");
      link.href = `/studies/${study}`;
      link.append(made("span", ` of ${name}`, "hidden"));
      one.append(link);
    }
    if (shown.length) one.append(proposals(shown, entries.length <= SHORT));
    list.append(one);
  }
  const rest = entries.length - from - SHOWN;
  if (rest <= 0) return;
  const button = made("button", `Show ${Math.min(rest, SHOWN)} more of ${rest.toLocaleString("en")}`, "button");
  button.type = "button";
  button.addEventListener("click", () => {
    button.remove();
    more(section, list, entries, from + SHOWN);
  });
  section.append(button);
}

// What a person does.

function add(files) {
  for (const [file, path] of files) items.push({ file, path, state: "waiting", sent: 0, tries: 0, print: null });
  fault("");
  draw(true);
  hear(`${counted(items.length, "file is", "files are")} ready to be sent.`, true);
}

async function entries(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [[file, path + entry.name]];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await entries(one, `${path}${entry.name}/`)));
  }
}

async function dropped(transfer) {
  const roots = [...transfer.items].filter((one) => one.kind === "file").map((one) => one.webkitGetAsEntry?.() ?? one.getAsFile());
  for (const one of roots) {
    try {
      add(one instanceof File ? [[one, one.name]] : await entries(one));
    } catch {
      fault(`The browser could not read ${one.name}. Choose it with the button.`);
    }
  }
}

function fault(words) {
  part("fault").hidden = !words;
  part("fault").querySelector(".text").textContent = words;
}

function said() {
  const typed = Object.fromEntries(SAID.map((name) => [name, form.elements[name].value.trim()]));
  typed.patient_name = [form.elements.family_name.value.trim(), form.elements.given_name.value.trim()].join("^").replace(/\^$/, "");
  typed.batch = remembered("batch");
  const whose = form.elements.whose.value;
  if (whose !== "patient") for (const name of WHO) typed[name] = "";
  if (whose !== "order") typed.order = typed.encounter = "";
  if (whose === "patient" && !typed.patient_id) throw new Error("Give the patient ID, or choose that nobody is known yet.");
  if (whose === "order" && !typed.order && !typed.encounter) throw new Error("Give the number of the order or of the visit, or choose that nobody is known yet.");
  if (whose !== "elsewhere") typed.hospital = "";
  else if (!typed.hospital) throw new Error("Name the other hospital, so that its patient IDs are not taken for yours.");
  return typed;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  let about;
  try {
    about = said();
  } catch (error) {
    fault(error.message);
    form.elements[form.elements.whose.value === "order" ? "order" : "patient_id"].focus();
    return;
  }
  if (!items.length) {
    fault("Choose at least one file.");
    return;
  }
  fault("");
  part("left").hidden = true;
  for (const item of items) item.said = about;
  queue = [...items];
  form.hidden = part("intro").hidden = true;
  part("sending").hidden = part("pause").hidden = false;
  part("again").hidden = part("more").hidden = true;
  part("sending-title").focus();
  start();
});

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    add([...input.files].map((file) => [file, file.webkitRelativePath || file.name]));
    input.value = "";
  });
}

for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && !form.hidden) dropped(event.dataTransfer);
  });
}

part("pause").addEventListener("click", () => (isPaused ? start() : pause("")));

part("again").addEventListener("click", () => {
  queue = items.filter((item) => item.state === "failed");
  for (const item of queue) Object.assign(item, { state: "waiting", tries: 0, print: null, address: "" });
  part("review").hidden = part("again").hidden = part("more").hidden = true;
  part("pause").hidden = false;
  part("sending-title").focus();
  start();
});

part("clear").addEventListener("click", () => {
  items = [];
  draw(true);
  part("send").focus();
});

part("more").addEventListener("click", () => {
  items = [];
  memory.set("batch", random());
  part("sending").hidden = part("review").hidden = true;
  part("review").replaceChildren();
  form.hidden = part("intro").hidden = false;
  draw(true);
  form.querySelector("input[type=file]").focus();
});

window.addEventListener("online", () => wake());
window.addEventListener("beforeunload", (event) => {
  if (isSending) event.preventDefault();
});

form.querySelector(".drop").hidden = false;
part("left").hidden = !memory.get("open");
