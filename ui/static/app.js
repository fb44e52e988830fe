// What every page needs: the theme, times that stay true, live updates, search by "/", menus, forms that act without a reload.

import { startTimes } from "./times.js";
import { startLive } from "./live.js";
import { startMenus } from "./menus.js";
import { refresh } from "./regions.js";
import { t } from "./language.js";

document.documentElement.classList.add("scripted");
startTimes();
startTheme();
startForms();
startSearch();
startMenus();
startZone();
startLive();

/** Light or dark by choice; the server reads the cookie, so that the next page does not flash. */
function startTheme() {
  const toggle = document.querySelector("[data-theme-toggle]");
  if (!toggle) return;
  const root = document.documentElement;
  const isDark = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const label = () => { toggle.textContent = isDark() ? t("Light theme") : t("Dark theme"); };
  toggle.hidden = false;
  label();
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
    label();
  });
}

/** Choices apply at once; quiet forms send and refresh what they changed; a form that starts something sends once. */
function startForms() {
  for (const button of document.querySelectorAll("[data-no-script]")) button.hidden = true;
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) form.requestSubmit();
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("[data-once]")) {
      for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
    }
    if (!form.matches("[data-quiet]")) return;
    event.preventDefault();
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    if (answer?.ok) refresh();
    else form.submit();
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("[data-once] button")) button.disabled = false;
  });
}

/** The page of preferences offers the zone that the browser is in. */
function startZone() {
  const button = document.querySelector("[data-browser-zone]");
  const field = document.querySelector("input[name=zone]");
  if (!button || !field) return;
  button.hidden = false;
  button.addEventListener("click", () => { field.value = Intl.DateTimeFormat().resolvedOptions().timeZone; });
}

/** "/" goes to the search, wherever one is. */
function startSearch() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const fields = [...document.querySelectorAll("[data-log-search], [data-search], .search input")];
    // What is written in a page before its own search is there may be hidden by it.
    const field = fields.findLast((field) => field.checkVisibility());
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });
}
