// What all charts share: the series on hand, the period shown, the cursor, which charts are shown. The period and the
// charts are in the address; what is shown is drawn at once from what is on hand, and asked for finer soon after.

import { t } from "../language.js";
import { Chart } from "./chart.js";
import { DAY, HOUR, parseTime, timeIso, timeText } from "./format.js";
import { Hours } from "./hours.js";
import { FIELD, Overview } from "./overview.js";
import { Source } from "./source.js";
import { Table } from "./table.js";

const PERIODS = { "24h": DAY, "7d": 7 * DAY, "28d": 28 * DAY, all: Infinity };
const SPAN_LEAST = 6 * HOUR;
/** Bounds of one's own choice are whole ten minutes, so that addresses read well. */
const MINUTES = 600;
/** Series are asked for so long after the period last moved, in milliseconds. */
const ASKS_AFTER = 90;
/** The address follows the wheel so long after it has come to rest. */
const REMEMBERS_AFTER = 350;

export class Board {
  cursor = null;
  choice = null;
  view = [0, 1];
  acknowledged = new Set();
  lastPreset = "28d";

  constructor(root) {
    this.root = root;
    this.source = new Source();
    this.sourceOfWhole = new Source();
    this.charts = [...root.querySelectorAll("[data-unit]")].map((section) => new Chart(section, this));
    this.overview = new Overview(root.querySelector(".overview"), this);
    this.hours = new Hours(root.querySelector("[data-hours]"), this);
    this.table = new Table(this);
    this.announcer = root.querySelector("[data-announce]");
    this.readAddress();
    this.readAcknowledged();
    this.showChips();
    root.addEventListener("click", (event) => this.click(event));
    // What says that it is a button is pressed by the space bar too.
    root.addEventListener("keydown", (event) => {
      if (event.key !== " " || !event.target.matches("a[role=button]")) return;
      event.preventDefault();
      event.target.click();
    });
    root.querySelector("[data-dates]").addEventListener("submit", (event) => this.takeDates(event));
    window.addEventListener("popstate", async () => {
      this.readAddress();
      this.showChips();
      await this.load();
      this.table.restart();
    });
  }

  get shownCharts() {
    return this.charts.filter((chart) => chart.isShown);
  }

  get isZoomed() {
    return this.preset === null;
  }

  /** The fields that are drawn. */
  get fields() {
    return [...new Set([...this.shownCharts.map(({ field }) => field), this.hours.select.value])].sort();
  }

  /** How many pixels the widest chart has. */
  get width() {
    return Math.max(300, ...this.shownCharts.map((chart) => chart.plotWidth || 0));
  }

  readAddress() {
    const parameters = new URLSearchParams(location.search);
    const period = parameters.get("period");
    const bounds = ["from", "to"].map((name) => parameters.get(name));
    this.preset = bounds.some(Boolean) ? null : (period in PERIODS && period) || "28d";
    if (this.preset) this.lastPreset = this.preset;
    else this.asked = bounds.map((text) => (text ? parseTime(text) : NaN));
    const series = parameters.get("series")?.split(",");
    for (const chart of this.charts) chart.section.hidden = series !== undefined && !series.includes(chart.field);
    this.hours.select.value = parameters.get("hours") ?? FIELD;
  }

  /** The readings whose alerts somebody has acknowledged. */
  readAcknowledged() {
    const times = document.getElementById("sensors-alerts")?.dataset.acknowledged ?? "";
    this.acknowledged = new Set(times.split(" ").filter(Boolean).map(Number));
  }

  // ── What is read ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads what is shown, and draws it. A preset moves along with the last reading; a period of one's own stays. */
  async load() {
    clearTimeout(this.asking);
    const query = this.preset ? `period=${this.preset}` : this.boundsQuery();
    const series = await this.source.read(query, this.width, this.fields).catch((error) => this.overview.tell(error));
    if (!series) return;
    this.series = series;
    if (this.preset || this.asked) this.view = [series.from, Math.max(series.to, series.from + SPAN_LEAST)];
    this.asked = null;
    this.render();
  }

  /** Reads the strip, where there is something new. */
  async loadWhole() {
    const width = this.overview.width / 2 || 400;
    const whole = await this.sourceOfWhole.read("period=all", width, [FIELD]).catch((error) => this.overview.tell(error));
    if (!whole || whole.version === this.whole?.version) return;
    this.whole = whole;
    this.overview.render();
  }

  boundsQuery() {
    const [from, to] = this.asked ?? this.view;
    const bounds = [["from", from], ["to", to]].filter(([, time]) => !Number.isNaN(time));
    return bounds.map(([name, time]) => `${name}=${timeIso(time)}`).join("&");
  }

  loadSoon() {
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.load(), ASKS_AFTER);
  }

  /** A chart that has become much wider takes more points. */
  widthChanged() {
    if (this.series && this.width > this.series.points * 1.2) this.loadSoon();
  }

  // ── What is drawn ────────────────────────────────────────────────────────────────────────────────────────────────────

  render() {
    for (const chart of this.charts) chart.render();
    this.hours.render();
    this.overview.renderWindow();
    this.mark();
  }

  /** Draws in the next frame, once for all that is asked until then. */
  renderSoon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      for (const chart of this.charts) chart.render();
      this.overview.renderWindow();
    });
  }

  showChips() {
    const shown = this.shownCharts;
    for (const chip of this.root.querySelectorAll("[data-series]"))
      chip.setAttribute("aria-pressed", String(shown.some(({ field }) => field === chip.dataset.series)));
    for (const chart of this.charts) chart.fit(shown.length === 1);
    this.root.querySelector("[data-all-series]").hidden = shown.length === this.charts.length;
    this.root.querySelector(".charts").classList.toggle("few", shown.length === 1);
  }

  // ── The period ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Moves a period so that it lies within the readings. */
  within([from, to]) {
    const { first, last } = this.whole ?? this.series;
    const span = Math.min(to - from, last - first);
    const start = Math.min(Math.max(from, first), last - span);
    return [start, start + span];
  }

  /** Shows a period of one's own choice. */
  show([from, to]) {
    if (from === this.view[0] && to === this.view[1]) return;
    this.view = [from, to].map((time) => Math.round(time / MINUTES) * MINUTES);
    this.preset = this.asked = null;
    this.renderSoon();
    this.loadSoon();
  }

  /** The same, neither shorter than can be read nor longer than there are readings. */
  zoomTo([from, to]) {
    const middle = (from + to) / 2;
    const half = Math.max(to - from, SPAN_LEAST) / 2;
    this.show(this.within([middle - half, middle + half]));
  }

  zoomBy(factor) {
    const [from, to] = this.view;
    const middle = this.cursor ?? (from + to) / 2;
    const half = ((to - from) * factor) / 2;
    this.zoomTo([middle - half, middle + half]);
  }

  moveBy(share) {
    const [from, to] = this.view;
    const by = (to - from) * share;
    this.show(this.within([from + by, to + by]));
  }

  showPreset(preset) {
    this.preset = this.lastPreset = preset;
    const { first, last } = this.whole ?? this.series;
    this.view = [Math.max(first, last - PERIODS[preset]), last];
    this.renderSoon();
    this.remember(true);
    return this.load();
  }

  reset() {
    return this.showPreset(this.lastPreset);
  }

  /** What is shown, as an address has it. */
  query() {
    let query = this.preset ? `period=${this.preset}` : this.boundsQuery();
    const shown = this.shownCharts.map(({ field }) => field);
    if (shown.length < this.charts.length) query += `&series=${shown.join(",")}`;
    if (this.hours.select.value !== FIELD) query += `&hours=${this.hours.select.value}`;
    return query;
  }

  /** Puts what is shown into the address; as a step to go back from, or in place of what stands there. */
  remember(isStep = false) {
    clearTimeout(this.remembering);
    const address = new URL(location.href);
    for (const name of ["period", "from", "to", "page", "series", "hours"]) address.searchParams.delete(name);
    const kept = address.searchParams.toString();
    const search = `?${kept ? `${kept}&` : ""}${this.query()}`;
    if (search !== location.search) history[isStep ? "pushState" : "replaceState"](null, "", address.pathname + search);
    this.table.restart();
    this.mark();
  }

  rememberSoon() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => this.remember(), REMEMBERS_AFTER);
  }

  /** Buttons and forms follow what is shown. */
  mark() {
    for (const button of this.root.querySelectorAll("[data-period]")) {
      if (button.dataset.period === this.preset) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const period = this.preset ? `period=${this.preset}` : this.boundsQuery();
    for (const link of this.root.querySelectorAll("[data-export]"))
      link.href = `/api/sensors/export?format=${link.dataset.export}&${period}`;
    this.root.querySelector("[data-run]")?.setAttribute("action", `/sensors/run?${this.query()}`);
    const back = this.root.querySelector("[data-acknowledge] [name=back]");
    if (back) back.value = `/sensors?${this.query()}`;
    ["from", "to"].forEach((name, index) => {
      const field = this.root.querySelector(`[data-dates] [name=${name}]`);
      if (document.activeElement !== field) field.value = timeIso(this.view[index]).slice(0, 16);
    });
  }

  // ── What people do ───────────────────────────────────────────────────────────────────────────────────────────────────

  click(event) {
    const target = event.target.closest("a, button");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { act, period, time, series, only } = target.dataset;
    const acts = {
      earlier: () => this.moveBy(-0.5),
      later: () => this.moveBy(0.5),
      in: () => this.zoomBy(0.5),
      out: () => this.zoomBy(2),
    };
    if (act === "reset") this.reset();
    else if (act) {
      acts[act]();
      this.remember(true);
    } else if (period) this.showPreset(period);
    else if (time) this.goTo(parseTime(time));
    else if (series) this.toggle(series);
    else if (only) this.showOnly(only);
    else if ("allSeries" in target.dataset) this.showSeries(() => true);
    else return;
    event.preventDefault();
  }

  takeDates(event) {
    event.preventDefault();
    const { from, to } = event.target.elements;
    const period = [from.value, to.value].map(parseTime);
    if (!(period[1] > period[0])) {
      to.setCustomValidity(t("This is not after the first time"));
      to.reportValidity();
      to.addEventListener("input", () => to.setCustomValidity(""), { once: true });
      return;
    }
    this.show(period);
    this.remember(true);
    event.target.closest("details").open = false;
  }

  toggle(field) {
    const shown = this.shownCharts.map((chart) => chart.field);
    if (shown.length === 1 && shown[0] === field) return;
    this.showSeries((chart) => (chart.field === field ? !chart.isShown : chart.isShown));
  }

  /** Only one chart, or all of them if that is the one. */
  showOnly(field) {
    const isAlone = this.shownCharts.length === 1;
    this.showSeries((chart) => isAlone || chart.field === field);
  }

  showSeries(isShown) {
    const wanted = this.charts.map(isShown);
    this.charts.forEach((chart, index) => (chart.section.hidden = !wanted[index]));
    this.showChips();
    this.remember(true);
    return this.load();
  }

  showHours() {
    this.remember(true);
    return this.load();
  }

  /** Shows the days around a time, with the cursor on it. */
  async goTo(time) {
    this.show(this.within([time - 3 * DAY, time + 3 * DAY]));
    this.remember(true);
    await this.load();
    this.cursor = time;
    for (const chart of this.charts) chart.showCursor();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.root.querySelector("[data-plots]").scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
  }

  pointAt(time, chart) {
    const place = chart.line?.nearest(time, this.view) ?? -1;
    this.pointTo(place < 0 ? null : chart.line.time[place]);
  }

  pointAway() {
    this.pointTo(null);
  }

  pointTo(time) {
    if (time === this.cursor) return;
    this.cursor = time;
    for (const chart of this.charts) chart.showCursor();
  }

  choose(choice) {
    if (!choice && !this.choice) return;
    this.choice = choice;
    for (const chart of this.charts) chart.showChoice(choice);
  }

  takeChoice() {
    const choice = this.choice;
    this.choose(null);
    if (!choice) return;
    this.zoomTo(choice);
    this.remember(true);
  }

  /** Keys: arrows read single values on a chart and move the period on the strip; + and − zoom; Escape goes back. */
  key(event, chart) {
    const { first, last } = this.whole ?? this.series ?? {};
    if (first === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const span = this.view[1] - this.view[0];
    const steps = event.shiftKey ? 24 : 1;
    const actions = {
      ArrowLeft: () => (chart ? this.step(-steps, chart) : this.moveBy(-0.25)),
      ArrowRight: () => (chart ? this.step(steps, chart) : this.moveBy(0.25)),
      Home: () => (chart ? this.step(-Infinity, chart) : this.show(this.within([first, first + span]))),
      End: () => (chart ? this.step(Infinity, chart) : this.show(this.within([last - span, last]))),
      "+": () => this.zoomBy(0.5),
      "=": () => this.zoomBy(0.5),
      "-": () => this.zoomBy(2),
      Escape: () => (this.cursor === null ? this.isZoomed && this.reset() : this.pointAway()),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    const before = this.view;
    action();
    if (this.view !== before && this.isZoomed) this.rememberSoon();
  }

  /** Reads the value so many readings on. */
  step(by, chart) {
    const { line } = chart;
    if (!line) return;
    const here = this.cursor === null ? -1 : line.nearest(this.cursor, this.view);
    const place = here < 0 ? line.lastIn(this.view[1] + 1, this.view) : line.stepped(here, by, this.view);
    if (place < 0) return;
    this.pointTo(line.time[place]);
    const value = line.value[place];
    const over = value > chart.limit ? `, ${t("over the limit")}` : "";
    this.announcer.textContent = `${timeText(line.time[place])}: ${chart.name} ${chart.text(value)} ${chart.unit}${over}`;
  }
}
