// Live updates: events come as they happen. A state changes at once wherever it is shown; the regions around it are
// refreshed soon after. A hidden page lets go of its connection and catches up when it is seen again.

import { refresh } from "./regions.js";
import { count, t } from "./language.js";

const PATIENCE = 800;
let source = null;
let last = Number(document.body.dataset.seq) || 0;

/** Connects, and stays connected while the page is seen. */
export function startLive() {
  if (!("EventSource" in window)) return;
  connect();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
  });
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
}

function connect() {
  if (source || document.hidden) return;
  const query = new URLSearchParams(document.body.dataset.events);
  if (last) query.set("after", last);
  source = new EventSource(`/api/events?${query}`);
  source.addEventListener("hello", () => sign("on", t("live")));
  source.addEventListener("change", (message) => change(JSON.parse(message.data)));
  source.addEventListener("progress", (message) => progress(JSON.parse(message.data)));
  source.addEventListener("reset", (message) => {
    last = Number(message.lastEventId) || 0;
    refresh();
  });
  source.addEventListener("error", () => {
    sign("waiting", t("reconnecting"));
    if (source?.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(connect, 2 * PATIENCE);
    }
  });
}

function disconnect() {
  source?.close();
  source = null;
}

function sign(state, text) {
  const indicator = document.querySelector("[data-live-indicator]");
  if (!indicator) return;
  indicator.dataset.state = state;
  indicator.lastElementChild.textContent = text;
  indicator.title = state === "on" ? t("Changes appear by themselves") : t("The server does not answer; trying again");
}

function change(event) {
  if (event.seq <= last) return;
  last = event.seq;
  document.dispatchEvent(new CustomEvent("esteira:event", { detail: event }));
  if (event.state) {
    const run = `${event.dag_id}/${event.run_id}`;
    paint(event.task_id ? `${run}/${event.task_id}/${event.map_index}` : run, event);
  }
  if (event.name === "run.created") announce(event);
  if (document.querySelector("[data-region]")) refresh();
}

/** Shows a state wherever its subject is on the page. */
function paint(key, { state, glyph, label }) {
  for (const element of document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)) {
    const badge = element.matches("[data-s]") ? element : element.querySelector(".badge");
    if (!badge) continue;
    badge.dataset.s = state;
    badge.dataset.g = glyph;
    if (badge.classList.contains("badge")) badge.textContent = t(label);
    const sign = badge.querySelector(".glyph");
    if (sign) sign.textContent = glyph;
  }
  if (state !== "running") for (const element of progressOf(key)) element.textContent = "";
}

function progressOf(key) {
  return document.querySelectorAll(`[data-progress="${CSS.escape(key)}"]`);
}

function progress({ dag_id, run_id, task_id, map_index, done, total, unit }) {
  const text = total ? t("{} of {} {}", count(done), count(total), unit) : `${count(done)} ${unit}`;
  for (const element of progressOf(`${dag_id}/${run_id}/${task_id}/${map_index}`)) element.textContent = text;
}

/** A list of runs does not move by itself: it says that there are new ones. */
let newRuns = 0;
function announce() {
  const place = document.querySelector("[data-fresh]");
  if (!place || new URLSearchParams(location.search).has("before")) return;
  newRuns += 1;
  place.hidden = false;
  place.replaceChildren();
  const link = document.createElement("a");
  link.className = "btn small";
  link.href = location.href;
  link.textContent = newRuns === 1 ? t("1 new run, show it") : t("{} new runs, show them", newRuns);
  place.append(link);
}
