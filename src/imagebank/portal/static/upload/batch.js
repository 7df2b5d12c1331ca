// The files that were chosen, each with its state, how much of it has come and what became of it.
export const batch = { items: [], queue: [], isSending: false, isPaused: false };

export const KINDS = ["failed", "refused", "quarantined", "unidentified", "stored", "duplicate", "read"];
export const kindOf = (one) => (one.unidentified && one.outcome === "stored" ? "unidentified" : one.outcome);

export const newItem = (file, path) => ({ file, path, state: "waiting", sent: 0, tries: 0, print: null });
export const inState = (state) => batch.items.filter((item) => item.state === state);
export const sentBytes = () => batch.items.reduce((all, item) => all + item.sent, 0);
export const allBytes = () => batch.items.reduce((all, item) => all + item.file.size, 0);

// How many objects there are of each kind.
export function tally() {
  const found = {};
  for (const item of batch.items) {
    for (const one of item.outcomes ?? []) found[kindOf(one)] = (found[kindOf(one)] ?? 0) + 1;
  }
  return found;
}
