// The parts of the page that the server draws: brought up to date in place; and alerts acknowledged without leaving.

/** Replaces the parts that have changed. A part that holds the focus is left alone, unless it is to be told of. */
export async function refreshParts(isTold = false) {
  const response = await fetch(`/sensors/live${location.search}`);
  if (!response.ok) throw new Error(`/sensors/live answered ${response.status}`);
  const parts = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts.querySelectorAll("[id^=sensors-]")) {
    const old = document.getElementById(part.id);
    if (!old || old.outerHTML === part.outerHTML) continue;
    if (!isTold && old.contains(document.activeElement)) continue;
    showNews(old, part);
    old.replaceWith(part);
  }
}

/** Values that have changed say so for a moment; the style sheet says how. */
function showNews(old, fresh) {
  for (const card of fresh.querySelectorAll(".card")) {
    const before = old.querySelector(`.card[data-field="${card.dataset.field}"] b`);
    if (before && before.textContent !== card.querySelector("b").textContent) card.classList.add("news");
  }
}

/** Buttons of alerts send, and the list follows; the focus goes to the next. `done` is called then. */
export function startAcknowledging(root, done) {
  root.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-acknowledge]")) return;
    event.preventDefault();
    const button = event.submitter;
    const place = [...form.querySelectorAll(".ack")].indexOf(button);
    // A button that is off is no part of what a form says.
    const body = new URLSearchParams(new FormData(form, button));
    button.disabled = true;
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" }).catch(() => null);
    // The answer leads back to the page, where this is already.
    if (answer?.type !== "opaqueredirect") return sendPlainly(form, button);
    await refreshParts(true);
    const rest = document.querySelectorAll("[data-acknowledge] .ack");
    (rest[Math.min(place, rest.length - 1)] ?? document.querySelector("#sensors-alerts a"))?.focus();
    done();
  });
}

/** What was refused is told by the page that the server answers with. */
function sendPlainly(form, button) {
  const name = document.createElement("input");
  Object.assign(name, { type: "hidden", name: button.name, value: button.value });
  form.append(name);
  form.submit();
}
