// Lets somebody look at what they type into a field that hides it. It hides again before it is sent.
for (const field of document.querySelectorAll("input[data-show]")) {
  const button = document.createElement("button");
  const turn = (isShown) => {
    field.type = isShown ? "text" : "password";
    button.textContent = isShown ? field.dataset.hide : field.dataset.show;
  };
  button.type = "button";
  button.className = "button reveal";
  button.addEventListener("click", () => turn(field.type === "password"));
  field.form.addEventListener("submit", () => turn(false));
  field.labels[0].after(button);
  turn(false);
}
