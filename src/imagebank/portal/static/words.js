// The words of a page for its scripts, in its language, as the page holds them: whole sentences with named places, and
// for numbers a sentence for each form that the language has (CLDR).
const given = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang;
const digits = `${language}-u-nu-latn`; // as the server writes them
const rules = new Intl.PluralRules(language);
const isolated = document.dir === "rtl" ? (text) => `\u2068${text}\u2069` : (text) => text;

const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (_, name) => isolated(values[name]));

export const words = given;
export const whole = (number) => number.toLocaleString(digits);
export const say = (name, values = {}) => filled(given[name], values);
export const counted = (name, number, values = {}) =>
  filled(given[name][rules.select(number)] ?? given[name].other, { ...values, num: whole(number) });
export const listed = (all) => (all.length ? all.reduce((first, next) => say("in_a_row", { first, next })) : "");

export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes ? Math.min(3, Math.floor(Math.log10(bytes) / 3)) : 0;
  const places = step > 1 ? 1 : 0;
  const options = { style: "unit", unit: units[step], unitDisplay: step ? "short" : "long", minimumFractionDigits: places, maximumFractionDigits: places };
  return new Intl.NumberFormat(digits, options).format(bytes / 1000 ** step);
}
