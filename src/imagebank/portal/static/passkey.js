// Asks the browser for a passkey, and sends what it answers with the form.
const form = document.querySelector("form[data-passkey]");
const told = form.querySelector("[role=status]");

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function options() {
  const given = JSON.parse(form.dataset.options);
  given.challenge = bytes(given.challenge);
  if (given.user) given.user.id = bytes(given.user.id);
  for (const list of [given.allowCredentials, given.excludeCredentials]) {
    for (const one of list ?? []) one.id = bytes(one.id);
  }
  return { publicKey: given };
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

async function ask() {
  told.textContent = "";
  try {
    const credential = await navigator.credentials[form.dataset.passkey](options());
    form.elements.answer.value = written(credential);
    form.submit();
  } catch (error) {
    told.textContent = error.name === "InvalidStateError" ? told.dataset.known : told.dataset.none;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
if (form.dataset.passkey === "get") ask();
