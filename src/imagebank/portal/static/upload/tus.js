// One file over the line, piece by piece (tus 1.0), going on where it was.
import { say } from "../words.js";
import { memory, printOf } from "./memory.js";
import { toldAs } from "./told.js";

const UPLOADS = "/api/v1/uploads";
const TYPE = "application/offset+octet-stream";
const TUS = { "Tus-Resumable": "1.0.0" };
const PIECE = 8 << 20;
const SMALL = 1 << 20; // so small a file comes with its beginning
const AGAIN_MS = 2000;

export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// `status` is the server's; 0 for a line that broke, PAUSED for one that was closed here.
export const PAUSED = -1;
export class Refused extends Error {
  constructor(status, words = "") {
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
    request.onerror = request.ontimeout = () => failed(new Refused(0));
    request.onabort = () => failed(new Refused(PAUSED));
    request.send(body);
  });
}

async function refusal(request) {
  let words = "";
  try {
    words = JSON.parse(request.responseText).message;
  } catch {
    // An answer of a proxy's.
  }
  return new Refused(request.status, words ? await toldAs(words) : say("no_server", { status: request.status }));
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

async function begin(item, moved) {
  const said = Object.entries({ filename: item.path, ...item.said }).filter(([, value]) => value);
  const headers = {
    "Upload-Length": item.file.size,
    "Upload-Metadata": said.map(([name, value]) => `${name} ${base64(value)}`).join(","),
  };
  const isSmall = item.file.size <= SMALL;
  if (isSmall) headers["Content-Type"] = TYPE;
  const answer = await ask(item, "POST", UPLOADS, headers, isSmall ? item.file : null, moved);
  if (answer.status !== 201) throw await refusal(answer);
  item.address = new URL(answer.getResponseHeader("Location"), location.href).pathname;
  if (item.print) memory.set(item.print, item.address);
  return Number(answer.getResponseHeader("Upload-Offset"));
}

async function resumed(item, moved) {
  item.address ||= item.print && memory.get(item.print);
  if (!item.address) return begin(item, moved);
  const answer = await ask(item, "HEAD", item.address);
  if (answer.status === 200 && Number(answer.getResponseHeader("Upload-Length")) === item.file.size) {
    return Number(answer.getResponseHeader("Upload-Offset"));
  }
  if (![200, 404].includes(answer.status)) throw await refusal(answer);
  item.address = "";
  return begin(item, moved);
}

// Sends a file and has it taken in; `moved` is told how much of it has come. Throws Refused, or what the browser throws
// for a file that it cannot read.
export async function send(item, moved) {
  item.print ??= await printOf(item);
  let offset = await resumed(item, moved);
  while (offset < item.file.size) {
    moved(offset);
    const headers = { "Upload-Offset": offset, "Content-Type": TYPE };
    const piece = item.file.slice(offset, offset + PIECE);
    const from = offset;
    const answer = await ask(item, "PATCH", item.address, headers, piece, (sent) => moved(from + sent));
    if (answer.status === 204) item.tries = 0;
    else if (answer.status !== 409) throw await refusal(answer);
    offset = answer.status === 204 ? Number(answer.getResponseHeader("Upload-Offset")) : await resumed(item, moved);
  }
  item.state = "taking";
  moved(item.file.size);
  await deposit(item);
}

async function deposit(item) {
  for (;;) {
    const answer = await ask(item, "POST", `${item.address}/deposit`);
    if ([200, 207].includes(answer.status)) {
      item.outcomes = await Promise.all(JSON.parse(answer.responseText).outcomes.map(inWords));
      item.hasTrouble = item.outcomes.some((one) => one.error);
      item.state = "done";
      return;
    }
    // It is being taken in already, for a page that was left.
    if (answer.status !== 409) throw await refusal(answer);
    await wait(AGAIN_MS);
  }
}

// What the bank says of an object, in the language of the page.
async function inWords(one) {
  const warnings = await Promise.all((one.warnings ?? []).map(toldAs));
  return { ...one, warnings, why: one.error ? await toldAs(one.error.message) : "" };
}
