// The sensor dashboard: reads the readings once, draws the charts, keeps period and cursor for all of them, and
// follows what comes. Without this script the page still shows current values, alerts and the table.

import { Chart } from "./chart.js";
import { DAY, HOUR, parseTime, timeIso, timeText } from "./format.js";
import { Hours } from "./hours.js";
import { Live } from "./live.js";
import { Overview } from "./overview.js";
import { Series } from "./series.js";
import { defineGap } from "./svg.js";
import { Table } from "./table.js";

const PERIODS = { "24h": DAY, "7d": 7 * DAY, "28d": 28 * DAY, all: Infinity };
const SPAN_LEAST = 6 * HOUR;
/** Bounds of one's own choice are whole ten minutes, so that addresses read well. */
const MINUTES = 600;

/** What all charts share: the readings, the period shown, the cursor. */
class Board {
  place = -1;
  choice = null;
  preset = "28d";
  lastPreset = "28d";
  view = [0, 1];

  constructor(root) {
    this.root = root;
    this.charts = [...root.querySelectorAll("[data-unit]")].map((section) => new Chart(section, this));
    this.overview = new Overview(root.querySelector(".overview"), this);
    this.hours = new Hours(root.querySelector("[data-hours]"), this);
    this.table = new Table(root.querySelector(".readings"), this);
    this.announcer = root.querySelector("[data-announce]");
    this.readAddress();
    root.addEventListener("click", (event) => this.click(event));
    window.addEventListener("popstate", () => {
      this.readAddress();
      this.applyPreset();
      this.render();
    });
  }

  get isDense() {
    return this.charts[0].isDense(this.view);
  }

  get isZoomed() {
    return this.preset === null;
  }

  readAddress() {
    const parameters = new URLSearchParams(location.search);
    const period = parameters.get("period");
    const bounds = ["from", "to"].map((name) => parameters.get(name));
    this.preset = bounds.some(Boolean) ? null : (period in PERIODS && period) || "28d";
    if (this.preset) this.lastPreset = this.preset;
    this.asked = bounds.map((text) => (text ? parseTime(text) : NaN));
  }

  /** Takes new readings. A preset moves along with the last reading; a zoom stays. */
  take(series) {
    this.series = series;
    this.place = -1;
    this.applyPreset();
    this.render();
  }

  applyPreset() {
    const { first, last } = this.series;
    if (this.preset) this.view = [Math.max(first, last - PERIODS[this.preset]), last];
    else if (this.asked) {
      const [from, to] = this.asked;
      this.view = [Number.isNaN(from) ? first : from, Number.isNaN(to) ? last : to];
    }
    if (!(this.view[1] > this.view[0])) this.view = [last - DAY, last];
  }

  render() {
    this.charts.forEach((chart) => chart.render());
    this.hours.render();
    this.overview.render();
    this.table.render();
    this.mark();
  }

  /** Moves a period so that it lies within the readings. */
  within([from, to]) {
    const { first, last } = this.series;
    const span = Math.min(to - from, last - first);
    const start = Math.min(Math.max(from, first), last - span);
    return [start, start + span];
  }

  /** Shows a period of one's own choice. */
  show([from, to]) {
    if (from === this.view[0] && to === this.view[1]) return;
    this.view = [from, to].map((time) => Math.round(time / MINUTES) * MINUTES);
    this.asked = null;
    this.preset = null;
    this.queue(() => {
      this.charts.forEach((chart) => chart.render());
      this.hours.render();
      this.overview.renderWindow();
    });
  }

  showPreset(preset) {
    this.preset = this.lastPreset = preset;
    this.applyPreset();
    this.charts.forEach((chart) => chart.render());
    this.hours.render();
    this.overview.renderWindow();
    this.remember();
  }

  reset() {
    this.showPreset(this.lastPreset);
  }

  /** Draws in the next frame, once for all that is asked until then. */
  queue(work) {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(work);
  }

  query() {
    return this.preset ? `period=${this.preset}` : `from=${timeIso(this.view[0])}&to=${timeIso(this.view[1])}`;
  }

  /** Puts the period into the address, the buttons, the exports and the table. */
  remember() {
    const address = new URL(location.href);
    for (const name of ["period", "from", "to", "page"]) address.searchParams.delete(name);
    const kept = address.searchParams.toString();
    history.replaceState(null, "", `${address.pathname}?${kept ? `${kept}&` : ""}${this.query()}`);
    this.table.restart();
    this.mark();
  }

  mark() {
    for (const button of this.root.querySelectorAll("[data-period]")) {
      if (button.dataset.period === this.preset) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    for (const link of this.root.querySelectorAll("[data-export]"))
      link.href = `/api/sensors/export?format=${link.dataset.export}&${this.query()}`;
    this.root.querySelector("[data-run]")?.setAttribute("action", `/sensors/run?${this.query()}`);
  }

  click(event) {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.dataset.period) {
      event.preventDefault();
      this.showPreset(link.dataset.period);
    } else if (link.dataset.time) {
      event.preventDefault();
      this.goTo(parseTime(link.dataset.time));
    }
  }

  /** Shows the days around a time, with the cursor on it. */
  goTo(time) {
    this.show(this.within([time - 3 * DAY, time + 3 * DAY]));
    this.remember();
    this.queue(() => {
      this.render();
      this.pointAt(time);
    });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.root.querySelector("[data-plots]").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  pointAt(time) {
    this.pointTo(this.series.nearest(time, this.view));
  }

  pointAway() {
    this.pointTo(-1);
  }

  pointTo(place) {
    if (place === this.place) return;
    this.place = place;
    this.charts.forEach((chart) => chart.showCursor());
  }

  choose(choice) {
    if (!choice && !this.choice) return;
    this.choice = choice;
    this.charts.forEach((chart) => chart.showChoice(choice));
  }

  takeChoice() {
    const choice = this.choice;
    this.choose(null);
    if (!choice) return;
    const [from, to] = choice;
    const middle = (from + to) / 2;
    const half = Math.max(to - from, SPAN_LEAST) / 2;
    this.show([middle - half, middle + half]);
    this.remember();
  }

  /** Keys: arrows read single values on a chart and move the period on the strip; + and − zoom; Escape goes back. */
  key(event, chart) {
    const [from, to] = this.view;
    const span = to - from;
    const shift = (share) => this.show(this.within([from + span * share, to + span * share]));
    const zoom = (factor) => {
      const middle = this.place >= 0 ? this.series.time[this.place] : (from + to) / 2;
      const half = Math.max(span * factor, SPAN_LEAST) / 2;
      this.show(this.within([middle - half, middle + half]));
    };
    const steps = event.shiftKey ? 24 : 1;
    const actions = {
      ArrowLeft: () => (chart ? this.step(-steps, chart) : shift(-0.25)),
      ArrowRight: () => (chart ? this.step(steps, chart) : shift(0.25)),
      Home: () => (chart ? this.step(-Infinity, chart) : this.show(this.within([this.series.first, this.series.first + span]))),
      End: () => (chart ? this.step(Infinity, chart) : this.show(this.within([this.series.last - span, this.series.last]))),
      "+": () => zoom(0.5),
      "=": () => zoom(0.5),
      "-": () => zoom(2),
      Escape: () => (this.place >= 0 ? this.pointAway() : this.reset()),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
    if (!this.preset) this.remember();
  }

  step(by, chart) {
    const [start, end] = this.series.placesOf(this.view);
    if (start >= end) return;
    const from = this.place >= 0 ? this.place + by : end - 1;
    this.pointTo(Math.min(Math.max(from, start), end - 1));
    const value = this.series.values[chart.field][this.place];
    const over = value > chart.limit ? ", over the limit" : "";
    this.announcer.textContent = `${timeText(this.series.time[this.place])}: ${chart.name} ${chart.text(value)} ${chart.unit}${over}`;
  }
}

/** Replaces the parts that the server draws, where they have changed. */
async function refreshParts() {
  const response = await fetch("/sensors/live");
  if (!response.ok) throw new Error(`/sensors/live answered ${response.status}`);
  const parts = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts.querySelectorAll("[id^=sensors-]")) {
    const old = document.getElementById(part.id);
    if (old && old.outerHTML !== part.outerHTML && !old.contains(document.activeElement)) old.replaceWith(part);
  }
}

/** Reads the readings, unless they are the ones that are known. */
class Source {
  async read() {
    const response = await fetch("/api/sensors/readings", { cache: "no-cache" });
    if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? `status ${response.status}`);
    const tag = response.headers.get("etag");
    if (tag && tag === this.tag) return null;
    this.tag = tag;
    return new Series(await response.json());
  }
}

async function start(root) {
  if (root.dataset.empty === "true") {
    new Live(root, ({ readings }) => (readings > 0 ? location.reload() : refreshParts()));
    return;
  }
  defineGap();
  const source = new Source();
  const board = new Board(root);
  const refresh = async () => {
    const [series] = await Promise.all([source.read(), refreshParts()]);
    if (series?.length) board.take(series);
  };
  try {
    const series = await source.read();
    if (!series?.length) return;
    board.take(series);
  } catch (error) {
    console.warn("the readings could not be read", error);
  } finally {
    new Live(root, refresh);
  }
}

const root = document.querySelector("[data-sensors]");
if (root) start(root);
