// The grid: a cell opens its task instance beside the grid instead of leaving the page; arrow keys move from cell to
// cell; Escape closes; groups fold in place. Without scripts, all of these are links.
//
// Cells are many and say little: what one is about is read from the heads of its row and column.

import { cellAt, drawCells, place, setState } from "./grid_cells.js";
import { focused, neighbour, rove } from "./grid_keys.js";
import { followAddress, turnTo } from "./regions.js";
import { t } from "./language.js";

const split = document.querySelector("[data-split]");
const panel = document.querySelector("[data-panel]");
let chosen = null;
let chosenPlace = null;

// The newest runs are at the right: that is where a narrow screen begins.
for (const box of document.querySelectorAll(".gridbox")) box.scrollLeft = box.scrollWidth;

if (split && panel) {
  drawCells();
  rove();
  split.addEventListener("click", click);
  split.addEventListener("focusin", ({ target }) => focused(target));
  for (const kind of ["pointerover", "focusin"]) split.addEventListener(kind, name);
  document.addEventListener("keydown", key);
  document.addEventListener("esteira:event", ({ detail }) => happened(detail));
  document.addEventListener("esteira:refreshed", refreshed);
  // A step back to other folded groups shows them; one that only chooses another cell asks for nothing.
  const address = () => location.pathname + location.search;
  let shown = address();
  document.addEventListener("esteira:refreshed", () => { shown = address(); });
  addEventListener("popstate", () => { if (shown !== address()) followAddress(); });
  const wanted = new URLSearchParams(location.hash.slice(1));
  const cell = wanted.has("task") && cellAt(wanted.get("run"), wanted.get("task"));
  if (cell) open(cell);
  // What is in sight is drawn in the first frame and painted in the second: `esteira-bench browser` asks when.
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => performance.mark("esteira:grid"))));
}

function click(event) {
  if (event.target.closest("[data-panel-close]")) close();
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const fold = event.target.closest("a.fold");
  // A cell of several instances leads to their list.
  const cell = event.target.closest("tbody a.c:not([data-m])");
  if (!fold && !cell) return;
  event.preventDefault();
  if (fold) turnTo(fold.href);
  else open(cell);
}

function key(event) {
  if (event.key === "Escape") close();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  const from = document.activeElement?.closest(".runs a.c, tbody a.c") ?? (event.key.startsWith("Arrow") ? chosen : null);
  const next = from && neighbour(from, event.key);
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (chosen && next.matches("tbody a:not([data-m])")) open(next);
}

/** Says what a cell is about, when somebody points at it. */
function name(event) {
  const cell = event.target.closest("tbody a.c");
  if (!cell) return;
  const { run, task } = place(cell);
  cell.title = `${task.replace(/\.$/, "")} · ${cell.ariaLabel} · ${run?.slice(run.indexOf("/") + 1)}`;
}

let waiting = 0;
function happened({ dag_id, run_id, task_id, map_index, state, label }) {
  if (!task_id) return;
  const run = `${dag_id}/${run_id}`;
  if (state && map_index < 0) setState(run, task_id, state, t(label));
  findAgain();
  if (chosenPlace?.run !== run || chosenPlace.task !== task_id) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => show(chosen), 300);
}

function refreshed() {
  drawCells();
  rove();
  findAgain();
}

/** Columns and rows may have moved, or a row been drawn anew: the instance that is open stays the chosen one. */
function findAgain() {
  if (!chosenPlace) return;
  chosen.classList.remove("sel");
  chosen = cellAt(chosenPlace.run, chosenPlace.task) ?? chosen;
  chosen.classList.add("sel");
}

async function open(cell) {
  chosen?.classList.remove("sel");
  chosen = cell;
  chosenPlace = place(cell);
  chosen.classList.add("sel");
  history.replaceState(null, "", `#${new URLSearchParams(chosenPlace)}`);
  await show(cell);
}

async function show(cell) {
  const address = new URL(cell.href);
  address.searchParams.set("panel", "true");
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok || cell !== chosen) return;
  const text = await answer.text();
  panel.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  panel.hidden = false;
  split.classList.add("open");
  // The panel has taken room.
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function close() {
  chosen?.classList.remove("sel");
  chosen = chosenPlace = null;
  panel.hidden = true;
  split.classList.remove("open");
  history.replaceState(null, "", location.pathname + location.search);
}
