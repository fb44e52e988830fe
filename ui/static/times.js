// Times stay true while a page is open: "3 min ago" grows, durations that go on count on. The rules are those of
// src/show/instant.rs; the zone and the language are those that the reader has chosen.

import { decimal, t } from "./language.js";

/** A length in milliseconds: `4 ms`, `2.31 s`, `1 m 05 s`, `2 h 03 m`, `3 d 04 h`. */
export function duration(millis) {
  const length = Math.max(0, Math.floor(millis));
  const seconds = Math.floor(length / 1000);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (seconds < 1) return `${length} ms`;
  if (seconds < 10) return decimal(`${seconds}.${two((length % 1000) / 10)} s`);
  if (seconds < 60) return decimal(`${seconds}.${Math.floor((length % 1000) / 100)} s`);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two((seconds / 60) % 60)} m`;
  return `${Math.floor(seconds / 86400)} d ${two((seconds / 3600) % 24)} h`;
}

/** An instant seen from now: `just now`, `3 min ago`, `in 21 h 14 min`. */
export function relative(at, now = Date.now()) {
  const seconds = Math.trunc((at - now) / 1000);
  const length = Math.abs(seconds);
  if (length < 5) return seconds > 0 ? t("in a moment") : t("just now");
  let text = `${Math.floor(length / 86400)} d`;
  if (length < 60) text = `${length} s`;
  else if (length < 3600) text = `${Math.floor(length / 60)} min`;
  else if (length < 86400) {
    const minutes = Math.floor(length / 60) % 60;
    text = `${Math.floor(length / 3600)} h${seconds > 0 && minutes ? ` ${minutes} min` : ""}`;
  }
  return seconds > 0 ? t("in {}", text) : t("{} ago", text);
}

/** Brings what is on the page up to date. */
export function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const text = duration(Date.now() - Date.parse(element.dataset.since));
    if (element.textContent !== text) element.textContent = text;
  }
}

function age() {
  const now = Date.now();
  for (const element of document.querySelectorAll("main time[datetime]")) {
    if (element.closest(".log")) continue;
    const text = relative(Date.parse(element.dateTime), now);
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Keeps times true from now on. */
export function startTimes() {
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  setInterval(() => { if (!document.hidden) age(); }, 5000);
}
