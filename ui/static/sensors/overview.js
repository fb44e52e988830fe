// The whole data set in a strip, with the period shown as a window that is dragged, stretched or moved by keys.

import { t } from "../language.js";
import { dayText, spanText, timeText, timeTicks, HOUR } from "./format.js";
import { areaPath, draw, linePath, onWidth, set, widthOf } from "./svg.js";

const HEIGHT = 66;
const BASE = 48;
const SIDE = 6;
const GRIP = 7;
/** What the strip draws. */
export const FIELD = "NO2";
/** How to get on, by what there is to get on with. */
const HINT = matchMedia("(pointer: coarse)").matches
  ? t("Two fingers on a chart zoom; drag the window on the strip to move it.")
  : t("Drag on a chart to zoom, with Shift to move; Ctrl and wheel zoom. Keys: arrows, + −, Escape.");

export class Overview {
  constructor(section, board) {
    this.board = board;
    this.svg = section.querySelector("svg");
    this.shown = section.querySelector("[data-shown]");
    this.hint = section.querySelector("[data-hint]");
    this.undo = section.querySelector("[data-act=reset]");
    this.width = widthOf(this.svg);
    this.svg.dataset.field = FIELD;
    this.svg.setAttribute("height", HEIGHT);
    this.back = draw(this.svg, "g");
    this.track = draw(this.svg, "rect", { class: "plot-track", y: 0, height: BASE });
    this.shades = [draw(this.svg, "rect", { class: "plot-shade" }), draw(this.svg, "rect", { class: "plot-shade" })];
    for (const shade of this.shades) set(shade, { y: 0, height: BASE, "pointer-events": "none" });
    this.window = draw(this.svg, "rect", { class: "plot-window", y: 0.6, height: BASE - 1.2, rx: 3 });
    this.handles = ["from", "to"].map(() => draw(this.svg, "rect", { class: "plot-handle", y: 14, width: 4, height: 20, rx: 2, "pointer-events": "none" }));
    this.grips = ["from", "to"].map(() => draw(this.svg, "rect", { class: "plot-grip", y: 0, width: GRIP * 2, height: BASE }));
    onWidth(this.svg, (width) => {
      this.width = width;
      this.render();
    });
    this.svg.addEventListener("keydown", (event) => board.key(event, null));
    this.listen();
  }

  toX = (time) => {
    const { first, last } = this.board.whole;
    return SIDE + ((time - first) / (last - first || 1)) * (this.width - 2 * SIDE);
  };

  toTime = (x) => {
    const { first, last } = this.board.whole;
    return first + Math.min(1, Math.max(0, (x - SIDE) / (this.width - 2 * SIDE))) * (last - first);
  };

  /** Draws the data set; the window follows. */
  render() {
    const { whole } = this.board;
    if (!this.width || !whole) return;
    set(this.svg, { viewBox: `0 0 ${this.width} ${HEIGHT}` });
    this.back.replaceChildren();
    const all = [whole.first, whole.last];
    const line = whole.lines[FIELD];
    const toY = (value) => BASE - 3 - (value / (line.high || 1)) * (BASE - 8);
    const stretches = line.stretches(all, this.toX, toY);
    draw(this.back, "path", { class: "plot-area", d: areaPath(stretches, BASE) });
    draw(this.back, "path", { class: "plot-line", d: linePath(stretches) });
    draw(this.back, "path", { class: "plot-grid", d: `M${SIDE} ${BASE}H${this.width - SIDE}` });
    for (const { time, label } of timeTicks(...all, this.width / 90)) {
      const x = this.toX(time);
      if (x > 24 && x < this.width - 24)
        draw(this.back, "text", { class: "plot-label", x, y: HEIGHT - 5, "text-anchor": "middle" }, label);
    }
    set(this.track, { x: 0, width: this.width });
    this.renderWindow();
  }

  /** Draws the window. */
  renderWindow() {
    const { view, whole, series, isZoomed } = this.board;
    if (!this.width || !whole) return;
    const [from, to] = view.map((time) => Math.min(Math.max(this.toX(time), SIDE), this.width - SIDE));
    set(this.window, { x: from, width: Math.max(2, to - from) });
    set(this.shades[0], { x: 0, width: Math.max(0, from) });
    set(this.shades[1], { x: to, width: Math.max(0, this.width - to) });
    [from, to].forEach((x, index) => {
      set(this.handles[index], { x: x - 2 });
      set(this.grips[index], { x: x - GRIP });
    });
    this.shown.textContent = `${timeText(view[0])} – ${timeText(view[1])} · ${spanText(view[1] - view[0])}`;
    this.undo.hidden = !isZoomed;
    this.hint.textContent = `${series?.is_dense ? `${t("Bold: mean of each day.")} ` : ""}${HINT}`;
    const share = ((view[0] + view[1]) / 2 - whole.first) / (whole.last - whole.first || 1);
    const told = t("from {} to {}, {}", dayText(view[0]), dayText(view[1]), spanText(view[1] - view[0]));
    set(this.svg, { "aria-valuenow": Math.round(share * 100), "aria-valuetext": told });
  }

  /** Says why there is nothing new. */
  tell(error) {
    this.hint.textContent = t("The charts could not be read: {}", error.message);
  }

  listen() {
    const { svg, board } = this;
    const at = (event) => event.clientX - svg.getBoundingClientRect().left;
    let drag = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const part = this.grips.indexOf(event.target);
      const { first, last } = board.whole;
      const canMove = event.target === this.window && board.view[1] - board.view[0] < (last - first) * 0.98;
      const kind = part >= 0 ? ["from", "to"][part] : canMove ? "move" : "new";
      drag = { kind, at: this.toTime(at(event)), view: [...board.view] };
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => drag && board.show(dragged(drag, this.toTime(at(event)), board)));
    svg.addEventListener("pointerup", () => {
      if (drag) board.remember(true);
      drag = null;
    });
    svg.addEventListener("dblclick", () => board.reset());
  }
}

/** The period that a drag makes of the one before. */
function dragged({ kind, at, view: [from, to] }, now, board) {
  const least = 6 * HOUR;
  if (kind === "from") return [Math.min(now, to - least), to];
  if (kind === "to") return [from, Math.max(now, from + least)];
  if (kind === "move") return board.within([from + now - at, to + now - at]);
  const [start, end] = [Math.min(at, now), Math.max(at, now)];
  return end - start < least ? [from, to] : [start, end];
}
