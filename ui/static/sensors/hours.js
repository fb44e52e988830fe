// The usual day: median and the middle 80 % of a quantity by hour of the day, in the period shown.

import { decimal, t } from "../language.js";
import { valueTicks } from "./format.js";
import { draw, linePath, onWidth, set } from "./svg.js";

const HEIGHT = 168;
const LEFT = 38;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

export class Hours {
  constructor(section, board) {
    this.board = board;
    this.section = section;
    this.svg = section.querySelector("svg");
    this.select = section.querySelector("select");
    this.readout = section.querySelector("[data-readout]");
    this.svg.setAttribute("height", HEIGHT);
    onWidth(this.svg, (width) => {
      this.width = width;
      this.render();
    });
    this.select.addEventListener("change", () => board.showHours());
    this.svg.addEventListener("pointermove", (event) => {
      const x = event.clientX - this.svg.getBoundingClientRect().left;
      this.point(Math.min(23, Math.max(0, Math.round((x - LEFT) / this.hourWidth()))));
    });
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  hourWidth() {
    return (this.width - LEFT - RIGHT) / 23;
  }

  render() {
    const { series } = this.board;
    if (!this.width || !series?.lines[this.select.value]) return;
    const chart = this.board.charts.find(({ field }) => field === this.select.value);
    this.section.dataset.field = chart.field;
    this.chart = chart;
    const told = series.lines[chart.field].hours;
    this.hours = told.map(([count, low, median, high]) => ({ count, low, median, high }));
    set(this.svg, { viewBox: `0 0 ${this.width} ${HEIGHT}` });
    this.svg.replaceChildren();
    const known = this.hours.map((hour, place) => ({ ...hour, place })).filter(({ count }) => count > 0);
    this.point(null);
    if (!known.length) return;
    const least = Math.min(...known.map(({ low }) => low));
    const [low, high] = [chart.limit === undefined ? least : Math.min(0, least), Math.max(...known.map(({ high }) => high)) * 1.04];
    const toX = (place) => LEFT + place * this.hourWidth();
    const toY = (value) => TOP + (1 - (value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
    this.toX = toX;
    this.toY = toY;
    this.renderBack(low, high, toX, toY, chart);
    const edge = (name) => known.map((hour) => `${toX(hour.place)} ${toY(hour[name])}`);
    draw(this.svg, "path", { class: "plot-band", d: `M${[...edge("high"), ...edge("low").reverse()].join("L")}Z` });
    draw(this.svg, "path", { class: "plot-line", d: linePath([known.map((hour) => [toX(hour.place), toY(hour.median)])]) });
    this.cursor = draw(this.svg, "g");
    const peak = known.reduce((best, hour) => (hour.median > best.median ? hour : best));
    this.resting = t("highest at {}:00", peak.place);
    this.svg.setAttribute("aria-label", t("{} by hour of day: median highest at {}:00 with {} {}", chart.name, peak.place, chart.text(peak.median), chart.unit));
    this.point(null);
  }

  renderBack(low, high, toX, toY, { limit }) {
    const { ticks, digits } = valueTicks(low, high, 4);
    for (const tick of ticks) {
      draw(this.svg, "path", { class: "plot-grid", d: `M${LEFT} ${toY(tick)}H${this.width - RIGHT}` });
      draw(this.svg, "text", { class: "plot-label", x: LEFT - 6, y: toY(tick) + 4, "text-anchor": "end" }, decimal(tick.toFixed(digits)));
    }
    for (let place = 0; place < 24; place += 6)
      draw(this.svg, "text", { class: "plot-label", x: toX(place), y: HEIGHT - 5, "text-anchor": "middle" }, `${String(place).padStart(2, "0")}:00`);
    if (limit > low && limit < high) draw(this.svg, "path", { class: "plot-limit", d: `M${LEFT} ${toY(limit)}H${this.width - RIGHT}` });
  }

  /** Tells the values of an hour, or what is told at rest. */
  point(place) {
    this.cursor?.replaceChildren();
    const hour = place === null ? null : this.hours?.[place];
    if (!hour?.count) {
      this.readout.textContent = this.resting ?? "";
      return;
    }
    const { chart } = this;
    draw(this.cursor, "circle", { class: "plot-point", cx: this.toX(place), cy: this.toY(hour.median), r: 3.5 });
    const bold = document.createElement("b");
    bold.textContent = chart.text(hour.median);
    const when = `${String(place).padStart(2, "0")}:00 ${t("median")} `;
    this.readout.replaceChildren(when, bold, ` · ${t("80 % within {} – {}", chart.text(hour.low), chart.text(hour.high))}`);
  }
}
