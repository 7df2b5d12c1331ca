// Groups a card number as it is typed, and says at once when it was mistyped: the same sum as model/card_number.py.
const SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const field = document.getElementById("number");
const told = document.getElementById("number-told");

const bare = (text) => text.normalize("NFKC").toUpperCase().replace(/O/g, "0").replace(/[IL]/g, "1").replace(/[^0-9A-Z]/g, "");

const isRight = (number) => {
  let sum = 0;
  for (const symbol of number) {
    const value = SYMBOLS.indexOf(symbol);
    if (value < 0) return false;
    sum <<= 1;
    if (sum >= 32) sum ^= 0b100101;
    sum ^= value;
  }
  return sum === 0;
};

const look = () => {
  const number = bare(field.value);
  // While somebody corrects in the middle, nothing moves under the caret.
  if (field.selectionStart === field.value.length && number.length <= 16) field.value = number.replace(/(.{4})(?=.)/g, "$1 ");
  told.hidden = number.length !== 16;
  const right = isRight(number);
  told.textContent = told.hidden ? "" : right ? field.dataset.right : field.dataset.wrong;
  document.getElementById("wrong-number")?.remove();
  told.className = right ? "small" : "wrong";
};

field.addEventListener("input", look);
document.querySelector(".why").addEventListener("change", (event) => {
  if (event.target.value === "") document.querySelector("[name=other]").focus();
});

// The QR code of a card has the number behind the #, which no server sees; it does not stay in the address either.
const scanned = bare(decodeURIComponent(location.hash.slice(1)));
if (isRight(scanned) && scanned.length === 16 && !field.value) {
  field.value = scanned;
  look();
  history.replaceState(null, "", location.pathname);
  document.getElementById("pin").focus();
}
