// Works through the queue, three files at once; goes on by itself after the line broke, and stops where somebody has to act.
import { say } from "../words.js";
import { batch, sentBytes } from "./batch.js";
import { memory } from "./memory.js";
import { part } from "./page.js";
import { begun, draw, tell } from "./progress.js";
import { PAUSED, send, wait } from "./tus.js";

const AT_ONCE = 3;
const TRIES = 12;
const LONGEST_WAIT_MS = 30_000;
const STOPS = { 401: "no_session", 403: "", 507: "no_room" };

const busy = new Set();
let working = 0;
let wake = () => {};
let finished = () => {};

// `then` is called when nothing is left in the queue.
export function start(then = finished) {
  finished = then;
  batch.isSending = true;
  batch.isPaused = false;
  begun(sentBytes());
  memory.set("open", "yes");
  part("pause").textContent = say("pause");
  tell("");
  for (let n = working; n < AT_ONCE; n += 1) work();
  draw(true);
}

export function pause(words) {
  batch.isPaused = true;
  part("pause").textContent = say("go_on");
  tell(words);
  for (const item of busy) if (item.state === "sending") item.request?.abort();
  draw();
}

// Tries again at once what waits for the line.
export const goOn = () => wake();

async function work() {
  working += 1;
  while (!batch.isPaused && batch.queue.length) {
    const item = batch.queue.shift();
    busy.add(item);
    item.state = "sending";
    try {
      await send(item, (sent) => moved(item, sent));
      busy.delete(item);
      if (!batch.isPaused) tell(""); // why it pauses stays there
    } catch (error) {
      busy.delete(item);
      await stumble(item, error);
    }
    draw();
  }
  working -= 1;
  if (!batch.isSending || working || batch.queue.length) return;
  batch.isSending = batch.isPaused = false;
  memory.set("open", "");
  finished();
}

function moved(item, sent) {
  item.sent = Math.min(sent, item.file.size);
  draw();
}

async function stumble(item, error) {
  const status = error.status;
  if (status === PAUSED) {
    again(item);
  } else if (status in STOPS) {
    again(item);
    pause(STOPS[status] ? say(STOPS[status]) : error.message);
  } else if ((status === 0 || status === 404 || status === 408 || status === 429 || status >= 500) && item.tries < TRIES) {
    item.tries += 1;
    again(item);
    if (status === 0) tell(say("no_line"));
    await Promise.race([wait(Math.min(LONGEST_WAIT_MS, 500 * 2 ** item.tries)), new Promise((done) => (wake = done))]);
  } else {
    item.state = "failed";
    item.words = status === undefined ? say("no_file") : error.message || say("no_line");
  }
}

function again(item) {
  item.state = "waiting";
  batch.queue.unshift(item);
}
