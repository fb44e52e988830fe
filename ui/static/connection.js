// The form of a connection is tried out in place: what is typed stays, the password among it, which a page never repeats.

import { t } from "./language.js";

const form = document.querySelector("[data-connection]");
const tried = document.querySelector("[data-tried]");

form?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  if (!button?.matches("[data-try]")) return;
  event.preventDefault();
  // Before it is disabled: a disabled button sends nothing, and then all would be kept and not tried out.
  const body = new URLSearchParams(new FormData(form, button));
  button.disabled = true;
  tried.dataset.busy = "";
  tried.textContent = t("Connecting…");
  try {
    const answer = await fetch(form.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.querySelector("main [data-tried]:not(:empty), main .err");
    tried.replaceChildren(...(found?.matches("[data-tried]") ? found.childNodes : [found ?? t("The server does not answer")]));
  } catch {
    tried.textContent = t("The server does not answer");
  } finally {
    button.disabled = false;
    if (tried.firstElementChild) delete tried.dataset.busy;
  }
});
