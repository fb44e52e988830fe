// Numbers and times in words, and the ticks of axes. Times are the readings' own, kept as if they were in UTC.

import { count, t } from "../language.js";

export const HOUR = 3600;
export const DAY = 24 * HOUR;

const pad = (number) => String(number).padStart(2, "0");

/** `04/04/2005 14:00` */
export function timeText(seconds) {
  const date = new Date(seconds * 1000);
  return `${dayText(seconds)}/${date.getUTCFullYear()} ${hourText(seconds)}`;
}

/** `04/04` */
export function dayText(seconds) {
  const date = new Date(seconds * 1000);
  return `${pad(date.getUTCDate())}/${pad(date.getUTCMonth() + 1)}`;
}

/** `14:00` */
export function hourText(seconds) {
  const date = new Date(seconds * 1000);
  return `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}`;
}

/** `2005-04-04T14:00:00`, as addresses hold it. */
export function timeIso(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}

/** The other way round; `NaN` for what is no time. */
export function parseTime(text) {
  const bare = text.length === 10 ? `${text}T00:00` : text;
  return Date.parse(`${bare}Z`) / 1000;
}

/** `28 days`, `7 h` */
export function spanText(seconds) {
  const days = seconds / DAY;
  if (days >= 2) return t("{} days", Math.round(days));
  return `${Math.max(1, Math.round(seconds / HOUR))} h`;
}

/** `6,941` */
export const countText = count;

/** Round values between two bounds, about `wanted` of them. */
export function valueTicks(low, high, wanted) {
  const raw = (high - low) / wanted || 1;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((step) => step >= raw);
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high + step * 1e-9; index += 1) ticks.push(index * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (step / magnitude === 2.5 ? 1 : 0)) };
}

const STEPS = [HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY];

/** Round times between two bounds with their labels, at most `wanted` of them. */
export function timeTicks(from, to, wanted) {
  const raw = (to - from) / Math.max(1, wanted);
  const step = STEPS.find((step) => step >= raw);
  if (!step) return monthTicks(from, to, raw);
  const label = (time) => (step >= DAY || time % DAY === 0 ? dayText(time) : hourText(time));
  const ticks = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) ticks.push({ time, label: label(time) });
  return ticks;
}

function monthTicks(from, to, raw) {
  const step = [1, 2, 3, 6, 12, 24, 60, 120].find((months) => months * 30 * DAY >= raw) || 240;
  const start = new Date(from * 1000);
  const ticks = [];
  for (let month = 0; ; month += 1) {
    const date = new Date(Date.UTC(start.getUTCFullYear(), month, 1));
    const time = date.getTime() / 1000;
    if (time > to) return ticks;
    if (time >= from && (date.getUTCFullYear() * 12 + date.getUTCMonth()) % step === 0)
      ticks.push({ time, label: `${pad(date.getUTCMonth() + 1)}/${date.getUTCFullYear()}` });
  }
}
