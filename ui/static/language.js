// Texts of the scripts in the language of the page. The English text is the key, as on the server; language_pt_BR.js has the
// Portuguese one, and a test holds the two together.

const language = document.documentElement.lang;
const phrases = language === "pt-BR" ? (await import("./language_pt_BR.js")).default : {};

/** A text, with values in the order of its `{}`. */
export function t(text, ...values) {
  let place = 0;
  return (phrases[text] ?? text).replaceAll("{}", () => values[place++] ?? "");
}

/** A number with its thousands apart. */
export function count(number) {
  return number.toLocaleString(language);
}

/** A text with one number in it, whose point is a comma in Portuguese. */
export function decimal(text) {
  return language === "pt-BR" ? text.replace(".", ",") : text;
}
