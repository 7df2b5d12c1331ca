// Lets somebody look at what they type into a field that hides it. It hides again before it is sent.
for (const field of document.querySelectorAll("input[type=password]")) {
  const what = field.labels[0].textContent.split(",")[0].toLowerCase();
  const button = document.createElement("button");
  const turn = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.textContent = `${isShown ? "Hide" : "Show"} the ${what}`;
  };
  button.type = "button";
  button.className = "button reveal";
  button.addEventListener("click", () => turn(field.type === "password"));
  field.form.addEventListener("submit", () => turn(false));
  field.labels[0].after(button);
  turn(false);
}
