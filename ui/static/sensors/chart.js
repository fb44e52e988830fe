// One line chart: a quantity over the period shown, its limit, marks above it, gaps, and the cursor that all charts
// share.

import { dayText, hourText, timeText, timeTicks, valueTicks, DAY } from "./format.js";
import { areaPath, draw, linePath, onWidth, set } from "./svg.js";

const HEIGHT = 168;
const LEFT = 34;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 20;
/** A gap this wide, in pixels, is hatched; this wide, it says so. */
const GAP_WIDTH = 12;
const GAP_WIDTH_WITH_LABEL = 92;
/** With more readings than this in a pixel, the line becomes a band, and the mean of each day the line. */
const DENSE = 4;
/** A drag this long, in pixels, chooses a period. */
const DRAG_LEAST = 5;

export class Chart {
  constructor(section, board) {
    this.board = board;
    this.section = section;
    this.field = section.dataset.field;
    this.name = section.dataset.name;
    this.unit = section.dataset.unit;
    this.digits = Number(section.dataset.digits);
    this.limit = section.dataset.limit ? Number(section.dataset.limit) : undefined;
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-readout]");
    this.over = section.querySelector("[data-over]");
    this.svg.tabIndex = 0;
    this.svg.setAttribute("height", HEIGHT);
    this.layers = {};
    for (const layer of ["back", "area", "line", "front", "cursor", "choice"]) this.layers[layer] = draw(this.svg, "g");
    this.area = draw(this.layers.area, "path", { class: "plot-area" });
    this.line = draw(this.layers.line, "path", { class: "plot-line" });
    this.mean = draw(this.layers.line, "path", { class: "plot-line" });
    onWidth(this.svg, (width) => {
      this.width = width;
      this.render();
    });
    this.listen();
  }

  /** Whether many readings share a pixel in this period. */
  isDense([from, to]) {
    return (to - from) / this.board.series.step > DENSE * this.width;
  }

  text(value) {
    return Number.isNaN(value) || value === undefined ? "–" : value.toFixed(this.digits);
  }

  toX = (time) => {
    const [from, to] = this.board.view;
    return LEFT + ((time - from) / (to - from || 1)) * (this.width - LEFT - RIGHT);
  };

  toTime = (x) => {
    const [from, to] = this.board.view;
    const share = (x - LEFT) / (this.width - LEFT - RIGHT);
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  };

  toY = (value) => TOP + (1 - (value - this.low) / (this.high - this.low || 1)) * (HEIGHT - TOP - BOTTOM);

  /** Draws all but the cursor. */
  render() {
    const { series, view } = this.board;
    if (!this.width || !series) return;
    const summary = series.summary(this.field, view, this.limit);
    this.summary = summary;
    this.scale(summary);
    set(this.svg, { viewBox: `0 0 ${this.width} ${HEIGHT}` });
    this.renderBack();
    const stretches = series.stretches(this.field, view, this.toX, this.toY);
    this.clip ??= this.makeClip();
    set(this.clip, { x: LEFT, y: 0, width: Math.max(0, this.width - LEFT - RIGHT), height: HEIGHT });
    const isDense = this.board.isDense;
    this.area.setAttribute("d", isDense ? "" : areaPath(stretches, HEIGHT - BOTTOM));
    this.line.setAttribute("d", linePath(stretches));
    this.line.classList.toggle("dense", isDense);
    const days = Math.ceil((view[1] - view[0]) / DAY / 400);
    this.mean.setAttribute("d", isDense ? linePath(series.means(this.field, view, days, this.toX, this.toY)) : "");
    this.renderFront();
    this.describe();
    this.showCursor();
  }

  makeClip() {
    const id = `sensors-clip-${this.field}`;
    const clip = draw(draw(draw(this.svg, "defs"), "clipPath", { id }), "rect");
    for (const layer of ["area", "line"]) this.layers[layer].setAttribute("clip-path", `url(#${id})`);
    return clip;
  }

  scale({ count, low, high }) {
    if (!count) [low, high] = [0, this.limit ?? 1];
    if (this.limit !== undefined) [low, high] = [Math.min(0, low), Math.max(high, this.limit) * 1.06];
    if (low === high) [low, high] = [low - 1, high + 1];
    const margin = this.limit === undefined ? (high - low) * 0.06 : 0;
    [this.low, this.high] = [low - margin, high + margin];
  }

  renderBack() {
    const back = this.layers.back;
    back.replaceChildren();
    const { ticks, digits } = valueTicks(this.low, this.high, 4);
    for (const tick of ticks) {
      const y = this.toY(tick);
      draw(back, "path", { class: "plot-grid", d: `M${LEFT} ${y}H${this.width - RIGHT}` });
      draw(back, "text", { class: "plot-label", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, tick.toFixed(digits));
    }
    const [from, to] = this.board.view;
    for (const { time, label } of timeTicks(from, to, (this.width - LEFT) / 72)) {
      const x = this.toX(time);
      if (x > this.width - 18 || x < LEFT + 8) continue;
      draw(back, "text", { class: "plot-label", x, y: HEIGHT - 5, "text-anchor": "middle" }, label);
    }
    this.renderGaps(back);
  }

  renderGaps(back) {
    const [from, to] = this.board.view;
    const least = ((to - from) / (this.width - LEFT - RIGHT)) * GAP_WIDTH;
    for (const [start, end] of this.board.series.gaps([from, to], least)) {
      const [x, until] = [this.toX(start), this.toX(end)];
      draw(back, "rect", { class: "plot-gap", x, y: TOP, width: until - x, height: HEIGHT - TOP - BOTTOM });
      if (until - x >= GAP_WIDTH_WITH_LABEL)
        draw(back, "text", { class: "plot-label", x: (x + until) / 2, y: HEIGHT - BOTTOM - 8, "text-anchor": "middle" }, "no readings");
    }
  }

  renderFront() {
    const front = this.layers.front;
    front.replaceChildren();
    if (this.limit === undefined) return;
    const y = this.toY(this.limit);
    draw(front, "path", { class: "plot-limit", d: `M${LEFT} ${y}H${this.width - RIGHT}` });
    draw(front, "text", { class: "plot-label limit", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, `${this.limit}`);
    for (const label of this.layers.back.querySelectorAll("text[text-anchor=end]"))
      if (Math.abs(label.getAttribute("y") - y - 4) < 11) label.remove();
    const marks = this.board.series.marks(this.field, this.board.view, this.limit, this.toX);
    const size = marks.length > 80 ? 2 : 2.8;
    for (const { x, value } of marks) draw(front, "circle", { class: "plot-mark", cx: x, cy: this.toY(value), r: size });
  }

  /** Says in words what the picture shows. */
  describe() {
    const { count, low, high, median, over } = this.summary;
    if (this.limit !== undefined) {
      this.over.hidden = false;
      this.over.textContent = `${over} over ${this.limit}`;
      this.over.classList.toggle("over", over > 0);
    }
    this.resting = count ? `median ${this.text(median)} · max ${this.text(high)}` : "no readings in this period";
    const limit = this.limit === undefined ? "" : `, ${over} above the limit of ${this.limit}`;
    const words = count ? `${count} readings from ${this.text(low)} to ${this.text(high)} ${this.unit}, median ${this.text(median)}${limit}` : "no readings";
    this.svg.setAttribute("aria-label", `${this.name}: ${words}. Arrow keys read single values.`);
  }

  /** Draws the cursor at the board's place, or takes it away. */
  showCursor() {
    const layer = this.layers.cursor;
    layer.replaceChildren();
    const { place, series } = this.board;
    if (place < 0 || !this.width) {
      this.readout.textContent = this.resting ?? "";
      return;
    }
    const [time, value] = [series.time[place], series.values[this.field][place]];
    const x = this.toX(time);
    draw(layer, "path", { class: "plot-cursor", d: `M${x} ${TOP}V${HEIGHT - BOTTOM}` });
    if (!Number.isNaN(value)) {
      const over = value > this.limit ? " over" : "";
      draw(layer, "circle", { class: `plot-point${over}`, cx: x, cy: this.toY(value), r: 3.5 });
    }
    this.showWhen(layer, x, time);
    const bold = document.createElement("b");
    bold.textContent = this.text(value);
    this.readout.replaceChildren(bold, ` ${this.unit}${value > this.limit ? " · over the limit" : ""}`);
  }

  showWhen(layer, x, time) {
    const [from, to] = this.board.view;
    const label = to - from > 300 * DAY ? timeText(time) : `${dayText(time)} ${hourText(time)}`;
    const width = label.length * 6.4 + 10;
    const left = Math.min(Math.max(LEFT, x - width / 2), this.width - width);
    const when = draw(layer, "g", { class: "plot-when" });
    draw(when, "rect", { x: left, y: HEIGHT - 17, width, height: 16, rx: 4 });
    draw(when, "text", { x: left + width / 2, y: HEIGHT - 5, "text-anchor": "middle" }, label);
  }

  /** Shows the period that is being chosen by a drag. */
  showChoice(choice) {
    this.layers.choice.replaceChildren();
    if (!choice) return;
    const [x, until] = choice.map(this.toX);
    draw(this.layers.choice, "rect", { class: "plot-choice", x, y: TOP, width: until - x, height: HEIGHT - TOP - BOTTOM });
  }

  listen() {
    const { svg, board } = this;
    const at = (event) => event.clientX - svg.getBoundingClientRect().left;
    let start = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return board.pointAt(this.toTime(at(event)));
      start = at(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      board.pointAt(this.toTime(at(event)));
      if (start === null || Math.abs(at(event) - start) < DRAG_LEAST) return board.choose(null);
      board.choose([start, at(event)].sort((left, right) => left - right).map(this.toTime));
    });
    svg.addEventListener("pointerup", () => {
      start = null;
      board.takeChoice();
    });
    svg.addEventListener("pointercancel", () => {
      start = null;
      board.choose(null);
    });
    svg.addEventListener("pointerleave", () => start === null && board.pointAway());
    svg.addEventListener("dblclick", () => board.reset());
    svg.addEventListener("blur", () => board.pointAway());
    svg.addEventListener("keydown", (event) => board.key(event, this));
  }
}
