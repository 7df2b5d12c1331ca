// How far it is: the bar, the numbers, and what a screen reader hears of it.
import { counted, listed, say, size, whole } from "../words.js";
import { allBytes, batch, inState, sentBytes, tally } from "./batch.js";
import { list } from "./list.js";
import { part } from "./page.js";

const COUNTED = ["stored", "duplicate", "unidentified", "quarantined", "refused", "read"];
const HEARD_EACH_MS = 10_000;
const DRAWN_EACH_MS = 250;

let begunAt = 0;
let begunWith = 0;
let heardAt = 0;
let isDrawn = true;

export function begun(withBytes) {
  begunAt = Date.now();
  begunWith = withBytes;
}

export function tell(words) {
  const line = part("line");
  if (line.textContent !== words) line.textContent = words;
  line.hidden = !words;
}

export function hear(words, isNow = false) {
  if (!isNow && Date.now() - heardAt < HEARD_EACH_MS) return;
  heardAt = Date.now();
  part("heard").textContent = words;
}

export function summary() {
  const found = tally();
  return listed(COUNTED.filter((kind) => found[kind]).map((kind) => counted(`count_${kind}`, found[kind])));
}

export function draw(isNow = false) {
  if (isNow) return paint();
  if (!isDrawn) return;
  isDrawn = false;
  setTimeout(() => {
    isDrawn = true;
    paint();
  }, DRAWN_EACH_MS);
}

function left(done, total) {
  const seconds = (Date.now() - begunAt) / 1000;
  const speed = (done - begunWith) / seconds;
  if (!batch.isSending || batch.isPaused || seconds < 3 || !(speed > 0)) return "";
  const minutes = Math.ceil((total - done) / speed / 60);
  return minutes <= 1 ? say("no_minute_left") : counted("minutes_left", minutes);
}

function paint() {
  const { items, isSending, isPaused } = batch;
  const total = allBytes();
  const sent = sentBytes();
  const done = whole(inState("done").length);
  part("send").textContent = items.length ? counted("send_files", items.length) : say("send");
  part("clear").hidden = !items.length || isSending;
  part("all").max = total || 1;
  part("all").value = total ? sent : 0;
  const shown = [counted("files_done", items.length, { done }), say("bytes_sent", { sent: size(sent), total: size(total) })];
  part("count").textContent = [...shown, left(sent, total), summary()].filter(Boolean).join(" · ");
  if (isSending) {
    part("sending-title").textContent = say(isPaused ? "paused" : "sending");
    hear(counted("files_sent", items.length, { done }));
  }
  list(() => draw(true));
}
