// Buttons that copy: a text of their own (data-copy), or what an address answers (data-copy-from).

import { t } from "./language.js";

const SAID_FOR = 1500;
const words = new WeakMap();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const text = button.dataset.copy || await read(button.dataset.copyFrom);
  const isCopied = text !== null && await copy(text);
  // Pressed again while it says what it did, it still knows what it says otherwise.
  const before = words.get(button) ?? { text: button.textContent };
  clearTimeout(before.timer);
  button.textContent = isCopied ? t("copied") : t("could not be copied");
  before.timer = setTimeout(() => {
    button.textContent = before.text;
    words.delete(button);
  }, SAID_FOR);
  words.set(button, before);
});

/** Puts a text where it can be pasted from. Browsers keep the newer way for pages that are encrypted or of this machine. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const field = Object.assign(document.createElement("textarea"), { value: text, readOnly: true, className: "visually-hidden" });
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  return isCopied;
}

async function read(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return null;
  const text = await answer.text();
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

for (const button of document.querySelectorAll("[data-copy], [data-copy-from]")) button.hidden = false;
