// One line chart: a quantity over the period shown, its limit, marks above it, gaps, and the cursor that all charts
// share.

import { dayText, hourText, timeText, timeTicks, valueTicks, DAY } from "./format.js";
import { decimal, t } from "../language.js";
import { startGestures } from "./gestures.js";
import { areaPath, draw, joined, linePath, onWidth, set, widthOf } from "./svg.js";

/** Among others, and alone. */
const HEIGHT = 168;
const HEIGHT_ALONE = 340;
const LEFT = 38;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 20;
/** A gap this wide, in pixels, is hatched; this wide, it says so. */
const GAP_WIDTH = 12;
const GAP_WIDTH_WITH_LABEL = 92;

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
    // Known before anything is read, for that is asked for by the width.
    this.width = widthOf(this.svg);
    this.left = LEFT;
    this.height = HEIGHT;
    this.layers = {};
    for (const layer of ["back", "area", "line", "front", "cursor", "choice"]) this.layers[layer] = draw(this.svg, "g");
    this.area = draw(this.layers.area, "path", { class: "plot-area" });
    this.path = draw(this.layers.line, "path", { class: "plot-line" });
    this.mean = draw(this.layers.line, "path", { class: "plot-line" });
    onWidth(this.svg, (width) => {
      this.width = width;
      this.render();
      board.widthChanged();
    });
    startGestures(this);
    this.svg.addEventListener("blur", () => board.pointAway());
    this.svg.addEventListener("keydown", (event) => board.key(event, this));
  }

  get isShown() {
    return !this.section.hidden;
  }

  /** How many pixels the period has. */
  get plotWidth() {
    return this.width - LEFT - RIGHT;
  }

  get line() {
    return this.board.series?.lines[this.field];
  }

  /** The height of the picture follows from whether it stands alone. */
  fit(isAlone) {
    this.height = isAlone ? HEIGHT_ALONE : HEIGHT;
    this.section.classList.toggle("alone", isAlone);
  }

  text(value) {
    return Number.isNaN(value) || value === undefined ? "–" : decimal(value.toFixed(this.digits));
  }

  toX = (time) => {
    const [from, to] = this.board.view;
    return LEFT + ((time - from) / (to - from || 1)) * this.plotWidth;
  };

  toTime = (x) => {
    const [from, to] = this.board.view;
    const share = (x - LEFT) / this.plotWidth;
    return from + Math.min(1, Math.max(0, share)) * (to - from);
  };

  toY = (value) => TOP + (1 - (value - this.low) / (this.high - this.low || 1)) * (this.height - TOP - BOTTOM);

  /** Draws all but the cursor. */
  render() {
    const { view } = this.board;
    const { line } = this;
    if (!this.width || !line || !this.isShown) return;
    this.scale(line);
    set(this.svg, { viewBox: `0 0 ${this.width} ${this.height}` });
    this.renderBack();
    const stretches = line.stretches(view, this.toX, this.toY);
    this.clip ??= this.makeClip();
    set(this.clip, { x: LEFT, y: TOP - 4, width: Math.max(0, this.plotWidth), height: this.height - TOP - BOTTOM + 6 });
    const isDense = line.means.length > 0;
    this.area.setAttribute("d", isDense ? "" : areaPath(joined(stretches, GAP_WIDTH), this.height - BOTTOM));
    this.path.setAttribute("d", linePath(stretches));
    this.path.classList.toggle("dense", isDense);
    this.mean.setAttribute("d", isDense ? linePath(line.meanStretches(this.toX, this.toY)) : "");
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
    const { ticks, digits } = valueTicks(this.low, this.high, this.height > HEIGHT ? 7 : 4);
    for (const tick of ticks) {
      const y = this.toY(tick);
      draw(back, "path", { class: "plot-grid", d: `M${LEFT} ${y}H${this.width - RIGHT}` });
      draw(back, "text", { class: "plot-label", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, decimal(tick.toFixed(digits)));
    }
    const [from, to] = this.board.view;
    for (const { time, label } of timeTicks(from, to, (this.width - LEFT) / 72)) {
      const x = this.toX(time);
      if (x > this.width - 18 || x < LEFT + 8) continue;
      draw(back, "text", { class: "plot-label", x, y: this.height - 5, "text-anchor": "middle" }, label);
    }
    this.renderGaps(back);
  }

  renderGaps(back) {
    const [from, to] = this.board.view;
    for (const [start, end] of this.board.series.gaps) {
      if (end <= from || start >= to) continue;
      const [x, until] = [this.toX(Math.max(start, from)), this.toX(Math.min(end, to))];
      if (until - x < GAP_WIDTH) continue;
      draw(back, "rect", { class: "plot-gap", x, y: TOP, width: until - x, height: this.height - TOP - BOTTOM });
      if (until - x >= GAP_WIDTH_WITH_LABEL)
        draw(back, "text", { class: "plot-label", x: (x + until) / 2, y: this.height - BOTTOM - 8, "text-anchor": "middle" }, t("no readings"));
    }
  }

  renderFront() {
    const front = this.layers.front;
    front.replaceChildren();
    if (this.limit === undefined) return;
    const y = this.toY(this.limit);
    draw(front, "path", { class: "plot-limit", d: `M${LEFT} ${y}H${this.width - RIGHT}` });
    draw(front, "text", { class: "plot-label limit", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, decimal(`${this.limit}`));
    for (const label of this.layers.back.querySelectorAll("text[text-anchor=end]"))
      if (Math.abs(label.getAttribute("y") - y - 4) < 11) label.remove();
    const marks = this.line.marks(this.board.view, this.limit, this.board.acknowledged, this.toX);
    const size = marks.length > 80 ? 2.2 : 3;
    for (const { x, value, isSeen } of marks) {
      draw(front, "circle", { class: `plot-mark${isSeen ? " seen" : ""}`, cx: x, cy: this.toY(value), r: size });
    }
  }

  /** Says in words what the picture shows. */
  describe() {
    const { count, low, high, median, over } = this.line;
    if (this.limit !== undefined) {
      this.over.hidden = false;
      this.over.textContent = t("{} over {}", over, decimal(`${this.limit}`));
      this.over.classList.toggle("over", over > 0);
    }
    this.resting = count ? t("median {} · max {}", this.text(median), this.text(high)) : t("no readings in this period");
    const limit = this.limit === undefined ? "" : t(", {} above the limit of {}", over, decimal(`${this.limit}`));
    const [least, most, middle] = [low, high, median].map((value) => this.text(value));
    const words = count ? t("{} readings from {} to {} {}, median {}", count, least, most, this.unit, middle) + limit : t("no readings");
    this.svg.setAttribute("aria-label", t("{}: {}. Arrow keys read single values.", this.name, words));
  }

  /** Draws the cursor at the board's time, or takes it away. */
  showCursor() {
    const layer = this.layers.cursor;
    layer.replaceChildren();
    const { cursor, view, series } = this.board;
    const { line } = this;
    if (cursor === null || !this.width || !line) {
      this.readout.textContent = this.resting ?? "";
      return;
    }
    const x = this.toX(cursor);
    draw(layer, "path", { class: "plot-cursor", d: `M${x} ${TOP}V${this.height - BOTTOM}` });
    this.showWhen(layer, x, cursor);
    const place = line.nearest(cursor, view);
    const isNear = place >= 0 && Math.abs(line.time[place] - cursor) <= series.width;
    const value = isNear ? line.value[place] : NaN;
    const isOver = value > this.limit;
    if (isNear) {
      const point = { cx: this.toX(line.time[place]), cy: this.toY(value), r: 3.5 };
      draw(layer, "circle", { class: `plot-point${isOver ? " over" : ""}`, ...point });
    }
    const bold = document.createElement("b");
    bold.textContent = this.text(value);
    const seen = isOver && this.board.acknowledged.has(line.time[place]) ? t(", acknowledged") : "";
    this.readout.replaceChildren(bold, ` ${this.unit}${isOver ? ` · ${t("over the limit")}${seen}` : ""}`);
  }

  showWhen(layer, x, time) {
    const [from, to] = this.board.view;
    const label = to - from > 300 * DAY ? timeText(time) : `${dayText(time)} ${hourText(time)}`;
    const width = label.length * 6.4 + 10;
    const left = Math.min(Math.max(LEFT, x - width / 2), this.width - width);
    const when = draw(layer, "g", { class: "plot-when" });
    draw(when, "rect", { x: left, y: this.height - 17, width, height: 16, rx: 4 });
    draw(when, "text", { x: left + width / 2, y: this.height - 5, "text-anchor": "middle" }, label);
  }

  /** Shows the period that is being chosen by a drag. */
  showChoice(choice) {
    this.layers.choice.replaceChildren();
    if (!choice) return;
    const [x, until] = choice.map(this.toX);
    draw(this.layers.choice, "rect", { class: "plot-choice", x, y: TOP, width: until - x, height: this.height - TOP - BOTTOM });
  }
}
