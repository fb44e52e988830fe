// What a pointer does on a chart: it reads values; a drag chooses a period, with Shift it moves the one shown; the wheel
// with Ctrl, or two fingers, zoom. A chart tells what is at which x; the board does the rest.

/** A drag this long, in pixels, chooses a period. */
const DRAG_LEAST = 5;
/** How much a step of the wheel zooms, and what a browser calls a line of it, in pixels. */
const WHEEL_ZOOM = 0.0022;
const WHEEL_LINE = 16;

export function startGestures(chart) {
  const { svg, board } = chart;
  const at = (event) => event.clientX - svg.getBoundingClientRect().left;
  const fingers = new Map();
  let drag = null;

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, { x: at(event), time: chart.toTime(at(event)) });
      svg.setPointerCapture(event.pointerId);
      if (fingers.size === 1) board.pointAt(chart.toTime(at(event)), chart);
      return;
    }
    drag = { x: at(event), moves: event.shiftKey, view: [...board.view], time: chart.toTime(at(event)) };
    svg.setPointerCapture(event.pointerId);
  });

  svg.addEventListener("pointermove", (event) => {
    const x = at(event);
    const finger = fingers.get(event.pointerId);
    if (finger) finger.x = x;
    if (fingers.size === 2) return pinch(chart, [...fingers.values()]);
    if (drag?.moves) {
      const by = ((drag.x - x) / chart.plotWidth) * (drag.view[1] - drag.view[0]);
      return board.show(board.within(drag.view.map((time) => time + by)));
    }
    board.pointAt(chart.toTime(x), chart);
    if (!drag || Math.abs(x - drag.x) < DRAG_LEAST) return board.choose(null);
    board.choose([drag.x, x].sort((left, right) => left - right).map(chart.toTime));
  });

  const end = (event, isTaken) => {
    const wasPinch = fingers.size === 2;
    if (fingers.delete(event.pointerId) && wasPinch) board.remember();
    if (drag?.moves) board.remember();
    else if (drag && isTaken) board.takeChoice();
    else board.choose(null);
    drag = null;
  };
  svg.addEventListener("pointerup", (event) => end(event, true));
  svg.addEventListener("pointercancel", (event) => end(event, false));
  svg.addEventListener("pointerleave", () => !drag && !fingers.size && board.pointAway());
  svg.addEventListener("dblclick", () => board.reset());
  svg.addEventListener("wheel", (event) => wheel(event, chart, at(event)), { passive: false });
}

/** The times under two fingers stay under them. */
function pinch(chart, [one, other]) {
  if (Math.abs(other.x - one.x) < 10 || other.time === one.time) return;
  const scale = (other.time - one.time) / (other.x - one.x);
  if (!(scale > 0)) return;
  const from = one.time - (one.x - chart.left) * scale;
  chart.board.zoomTo([from, from + chart.plotWidth * scale]);
}

/** A page scrolls by the wheel as ever; with Ctrl (as a pinch on a touchpad tells it) it zooms, sideways it moves. */
function wheel(event, chart, x) {
  const { board } = chart;
  const unit = event.deltaMode === 1 ? WHEEL_LINE : 1;
  const [from, to] = board.view;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    const factor = Math.exp(event.deltaY * unit * WHEEL_ZOOM);
    const time = chart.toTime(x);
    board.zoomTo([time - (time - from) * factor, time + (to - time) * factor]);
  } else {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (!sideways || (!event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX))) return;
    event.preventDefault();
    const by = ((sideways * unit) / chart.plotWidth) * (to - from);
    board.show(board.within([from + by, to + by]));
  }
  board.rememberSoon();
}
