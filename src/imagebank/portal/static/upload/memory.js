// What is remembered until the tab closes: digests of files with the addresses of their uploads, and no name.
const known = new Map();

export const memory = {
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

const hex = (bytes) => [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");

export const random = () => hex(crypto.getRandomValues(new Uint8Array(12)));

export function remembered(name) {
  const found = memory.get(name) || random();
  memory.set(name, found);
  return found;
}

// By what a file is known again when it is chosen once more.
export async function printOf(item) {
  const start = await item.file.slice(0, 65536).arrayBuffer(); // fails for a file that cannot be read any more
  if (!crypto.subtle) return ""; // by plain http nothing is remembered
  const said = [remembered("salt"), item.path, item.file.size, item.file.lastModified, item.said];
  const words = new TextEncoder().encode(JSON.stringify(said));
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob([words, start]).arrayBuffer())));
}
