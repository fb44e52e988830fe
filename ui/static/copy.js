// Buttons that copy: a text of their own (data-copy), or what an address answers (data-copy-from).

import { t } from "./language.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  const text = button.dataset.copy || await read(button.dataset.copyFrom);
  const isCopied = text !== null && await navigator.clipboard.writeText(text).then(() => true, () => false);
  const says = button.textContent;
  button.textContent = isCopied ? t("copied") : t("could not be copied");
  setTimeout(() => { button.textContent = says; }, 1500);
});

async function read(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return null;
  const text = await answer.text();
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

for (const button of document.querySelectorAll("[data-copy], [data-copy-from]")) button.hidden = false;
