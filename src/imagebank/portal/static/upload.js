// Sends files piece by piece, three at once. It goes on where it was after the line broke, or when the same files are
// chosen again after the page was left, and says what became of each. Without it the page is a plain form.
import { counted, say } from "./words.js";
import { batch, inState, newItem } from "./upload/batch.js";
import { dropped, picked, said } from "./upload/chosen.js";
import { memory, random } from "./upload/memory.js";
import { form, part } from "./upload/page.js";
import { draw, hear, summary } from "./upload/progress.js";
import { review } from "./upload/review.js";
import { goOn, pause, start } from "./upload/sending.js";

const drop = form.querySelector(".files");

function fault(words) {
  part("fault").hidden = !words;
  part("fault").querySelector(".text").textContent = words;
}

function add(files) {
  for (const [file, path] of files) batch.items.push(newItem(file, path));
  fault("");
  draw(true);
  hear(counted("files_ready", batch.items.length), true);
}

function finish() {
  const failed = inState("failed").length;
  review();
  draw(true);
  part("sending-title").textContent = say(failed ? "sent_partly" : "sent");
  part("again").hidden = !failed;
  part("more").hidden = false;
  part("pause").hidden = true;
  hear(`${summary()} ${failed ? counted("files_lost", failed) : ""}`, true);
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
  if (!batch.items.length) {
    fault(say("want_file"));
    return;
  }
  fault("");
  part("left").hidden = true;
  for (const item of batch.items) item.said = about;
  batch.queue = [...batch.items];
  form.hidden = part("intro").hidden = true;
  part("sending").hidden = part("pause").hidden = false;
  part("again").hidden = part("more").hidden = true;
  part("sending-title").focus();
  start(finish);
});

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => {
    add(picked(input));
    input.value = "";
  });
}

for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragover");
    if (name === "drop" && !form.hidden) dropped(event.dataTransfer, add, (file) => fault(say("cannot_read", { file })));
  });
}

part("pause").addEventListener("click", () => (batch.isPaused ? start() : pause("")));

part("again").addEventListener("click", () => {
  batch.queue = inState("failed");
  for (const item of batch.queue) Object.assign(item, { state: "waiting", tries: 0, print: null, address: "" });
  part("review").hidden = part("again").hidden = part("more").hidden = true;
  part("pause").hidden = false;
  part("sending-title").focus();
  start();
});

part("clear").addEventListener("click", () => {
  batch.items = [];
  draw(true);
  part("send").focus();
});

part("more").addEventListener("click", () => {
  batch.items = [];
  memory.set("batch", random());
  part("sending").hidden = part("review").hidden = true;
  part("review").replaceChildren();
  form.hidden = part("intro").hidden = false;
  draw(true);
  form.querySelector("input[type=file]").focus();
});

window.addEventListener("online", goOn);
window.addEventListener("beforeunload", (event) => {
  if (batch.isSending) event.preventDefault();
});

form.querySelector(".drop").hidden = false;
part("left").hidden = !memory.get("open");
