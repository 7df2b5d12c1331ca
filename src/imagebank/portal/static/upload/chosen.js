// What somebody chooses and says of it: files from fields, files and folders that are dropped, and the fields of the form.
import { say } from "../words.js";
import { remembered } from "./memory.js";
import { form } from "./page.js";

const SAID = [
  "patient_id", "patient_issuer", "birth_date", "sex", "department", "taken_at", "description", "body_part",
  "laterality", "technique", "accession_number", "order", "encounter", "hospital", "person",
];
const WHO = ["patient_id", "patient_issuer", "patient_name", "birth_date", "sex"];

export const picked = (input) => [...input.files].map((file) => [file, file.webkitRelativePath || file.name]);

async function within(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [[file, path + entry.name]];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await within(one, `${path}${entry.name}/`)));
  }
}

// Hands files on as they are read; `lost` is told the name of what the browser cannot read.
export async function dropped(transfer, add, lost) {
  const roots = [...transfer.items].filter((one) => one.kind === "file").map((one) => one.webkitGetAsEntry?.() ?? one.getAsFile());
  for (const one of roots) {
    try {
      add(one instanceof File ? [[one, one.name]] : await within(one));
    } catch {
      lost(one.name);
    }
  }
}

// Throws an Error with words for a person where something is still to be said.
export function said() {
  const typed = Object.fromEntries(SAID.filter((name) => name in form.elements).map((name) => [name, form.elements[name].value.trim()]));
  typed.batch = remembered("batch");
  if (!("whose" in form.elements)) return typed; // of the owner of an account, whose files are the person's that they chose
  typed.patient_name = [form.elements.family_name.value.trim(), form.elements.given_name.value.trim()].join("^").replace(/\^$/, "");
  const whose = form.elements.whose.value;
  if (whose !== "patient") for (const name of WHO) typed[name] = "";
  if (whose !== "order") typed.order = typed.encounter = "";
  if (whose === "patient" && !typed.patient_id) throw new Error(say("want_patient"));
  if (whose === "order" && !typed.order && !typed.encounter) throw new Error(say("want_order"));
  if (whose !== "elsewhere") typed.hospital = "";
  else if (!typed.hospital) throw new Error(say("want_hospital"));
  return typed;
}
