// The graph: a node under the pointer, or reached by the keyboard, lights the edges to what it waits for and to what
// waits for it. Zoom by buttons, by + − 0 and by Ctrl and the wheel; move by dragging.

const STEP = 1.25;
const SCALE_MIN = 0.2;
const SCALE_MAX = 3;
// A picture that is too wide is made smaller when the page opens, but not so small that names are hard to read.
const SCALE_FIRST = 0.75;
const box = document.querySelector(".graphbox");
const picture = () => box.querySelector("svg.graph");
let scale = 1;

if (box && picture()) {
  for (const kind of ["pointerover", "focusin"]) {
    box.addEventListener(kind, (event) => light(event.target.closest(".node")?.dataset.node));
  }
  for (const kind of ["pointerleave", "focusout"]) box.addEventListener(kind, () => light());
  startZoom();
  startDrag();
}

function light(node) {
  for (const edge of box.querySelectorAll(".edge")) {
    edge.classList.toggle("lit", node !== undefined && (edge.dataset.from === node || edge.dataset.to === node));
  }
}

function startZoom() {
  const acts = { in: () => zoom(scale * STEP), out: () => zoom(scale / STEP), whole: () => zoom(1), fit };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.hidden = false;
    button.addEventListener("click", acts[button.dataset.zoom]);
  }
  const keys = { "+": acts.in, "=": acts.in, "-": acts.out, "0": acts.whole };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const bounds = box.getBoundingClientRect();
    zoom(scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1), event.clientX - bounds.left, event.clientY - bounds.top);
  }, { passive: false });
  // The server knows nothing of how large a person wants it.
  document.addEventListener("esteira:refreshed", size);
  const room = (box.clientWidth - 8) / picture().viewBox.baseVal.width;
  if (room < 1) zoom(Math.max(SCALE_FIRST, room), 0, 0);
}

/** Makes the picture this large; what is at the point (else the middle) stays there. */
function zoom(wanted, x = box.clientWidth / 2, y = box.clientHeight / 2) {
  const next = Math.min(SCALE_MAX, Math.max(SCALE_MIN, wanted));
  const [left, top] = [(box.scrollLeft + x) / scale, (box.scrollTop + y) / scale];
  scale = next;
  size();
  box.scrollTo(left * scale - x, top * scale - y);
}

function size() {
  const svg = picture();
  if (!svg) return;
  const { width, height } = svg.viewBox.baseVal;
  svg.setAttribute("width", Math.round(width * scale));
  svg.setAttribute("height", Math.round(height * scale));
}

/** All of it at once, and no larger than it is drawn. */
function fit() {
  const { width, height } = picture().viewBox.baseVal;
  const room = Math.min((box.clientWidth - 8) / width, (innerHeight * 0.78 - 8) / height);
  zoom(Math.min(1, room));
}

function startDrag() {
  box.classList.add("movable");
  let from = null;
  let hasMoved = false;
  box.addEventListener("pointerdown", (event) => {
    if (event.button || event.pointerType === "touch") return;
    from = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
    hasMoved = false;
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    const [left, top] = [from.x - event.clientX, from.y - event.clientY];
    if (!hasMoved && Math.hypot(left - box.scrollLeft, top - box.scrollTop) < 4) return;
    hasMoved = true;
    box.classList.add("held");
    box.scrollTo(left, top);
  });
  addEventListener("pointerup", () => { from = null; box.classList.remove("held"); });
  // A drag that ends on a node does not follow its link, and a link is not dragged away.
  box.addEventListener("click", (event) => { if (hasMoved) event.preventDefault(); hasMoved = false; }, true);
  box.addEventListener("dragstart", (event) => event.preventDefault());
}
