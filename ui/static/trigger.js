// The form that starts a run: it offers the values of the last time, and gives a link that fills it in.

import { t } from "./language.js";
import "./json_editor.js";

const form = document.querySelector("[data-trigger]");
const key = `trigger:${form.dataset.trigger}`;
const unsent = new Set(["run_id", "logical_date"]);

function typed() {
  return Object.fromEntries([...new FormData(form)].filter(([name, value]) => typeof value === "string" && !unsent.has(name)));
}

form.addEventListener("submit", () => localStorage.setItem(key, JSON.stringify(typed())));

offer(form.querySelector("[data-last]"));

/** What was typed the last time is offered, and filled in only if it is wanted. */
function offer(button) {
  const stored = localStorage.getItem(key);
  if (!stored || stored === JSON.stringify(typed())) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const [name, value] of Object.entries(JSON.parse(stored))) {
      const field = form.elements.namedItem(name);
      if (!field) continue;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    button.hidden = true;
  });
}

const link = form.querySelector("[data-link]");
link.hidden = false;
link.addEventListener("click", async () => {
  const query = new URLSearchParams(Object.entries(typed()).filter(([, value]) => value !== ""));
  const address = `${location.origin}${location.pathname}?${query}`;
  const isCopied = await navigator.clipboard.writeText(address).then(() => true, () => false);
  // Where the clipboard is closed to scripts, the address line has it.
  if (!isCopied) history.replaceState(history.state, "", address);
  link.textContent = isCopied ? t("copied") : t("it is in the address line");
});
