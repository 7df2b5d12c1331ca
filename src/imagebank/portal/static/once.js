// A form that makes something is sent once: a second press, while the first is on its way, does nothing.
for (const form of document.querySelectorAll("form[data-once]")) {
  let isSent = false;
  form.addEventListener("submit", (event) => {
    if (isSent) event.preventDefault();
    isSent = event.submitter?.value !== "what";
  });
  // A page that comes back out of the browser's memory can be sent again.
  addEventListener("pageshow", () => { isSent = false; });
}
