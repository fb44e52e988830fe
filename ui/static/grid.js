// The grid: a cell opens its task instance beside the grid instead of leaving the page; arrow keys move from cell to
// cell; Escape closes; groups fold in place. Without scripts, all of these are links.
//
// Cells are many and say little: what one is about is read from the heads of its row and column.

import { followAddress, turnTo } from "./regions.js";
import { t } from "./language.js";

const split = document.querySelector("[data-split]");
const panel = document.querySelector("[data-panel]");
let chosen = null;
let chosenPlace = null;

// The newest runs are at the right: that is where a narrow screen begins.
for (const box of document.querySelectorAll(".gridbox")) box.scrollLeft = box.scrollWidth;

if (split && panel) {
  split.addEventListener("click", click);
  for (const kind of ["pointerover", "focusin"]) split.addEventListener(kind, name);
  document.addEventListener("keydown", key);
  document.addEventListener("esteira:event", ({ detail }) => happened(detail));
  document.addEventListener("esteira:refreshed", findAgain);
  // A step back to other folded groups shows them; one that only chooses another cell asks for nothing.
  const address = () => location.pathname + location.search;
  let shown = address();
  document.addEventListener("esteira:refreshed", () => { shown = address(); });
  addEventListener("popstate", () => { if (shown !== address()) followAddress(); });
  const wanted = new URLSearchParams(location.hash.slice(1));
  const cell = wanted.has("task") && cellAt(wanted.get("run"), wanted.get("task"));
  if (cell) open(cell);
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
  const from = document.activeElement?.closest("tbody a.c") ?? chosen;
  if (!from || !event.key.startsWith("Arrow") || event.target.closest("input, select, textarea")) return;
  const next = neighbour(from, event.key);
  if (!next) return;
  event.preventDefault();
  next.focus();
  if (chosen && next.matches(":not([data-m])")) open(next);
}

/** The run and the task of a cell. */
function place(cell) {
  const field = cell.closest("td");
  const run = field.closest("table").querySelector(".runs").children[field.cellIndex]?.querySelector("[data-key]")?.dataset.key;
  return { run, task: field.parentElement.dataset.row };
}

/** The cell of a run (as live events call it) and a task. */
function cellAt(run, task) {
  const head = split.querySelector(`.runs [data-key="${CSS.escape(run)}"]`)?.closest("th");
  const row = split.querySelector(`tbody tr[data-row="${CSS.escape(task)}"]`);
  return head && row?.children[head.cellIndex]?.querySelector("a.c");
}

/** Says what a cell is about, when somebody points at it. */
function name(event) {
  const cell = event.target.closest("tbody a.c:not([data-m])");
  if (!cell) return;
  const { run, task } = place(cell);
  cell.title = `${task} · ${cell.ariaLabel} · ${run?.slice(run.indexOf("/") + 1)}`;
}

let waiting = 0;
function happened({ dag_id, run_id, task_id, map_index, state, label }) {
  if (!task_id) return;
  const run = `${dag_id}/${run_id}`;
  const cell = state && map_index < 0 && cellAt(run, task_id);
  if (cell && !cell.matches("[data-m]")) {
    cell.dataset.s = state;
    cell.ariaLabel = t(label);
  }
  if (chosenPlace?.run !== run || chosenPlace.task !== task_id) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => show(chosen), 300);
}

/** Columns and rows may have moved: the instance that is open stays the chosen one. */
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
}

function close() {
  chosen?.classList.remove("sel");
  chosen = chosenPlace = null;
  panel.hidden = true;
  split.classList.remove("open");
  history.replaceState(null, "", location.pathname + location.search);
}

function neighbour(cell, key) {
  const field = cell.closest("td");
  const row = field.parentElement;
  const step = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    return row.children[field.cellIndex + step]?.querySelector("a.c");
  }
  const rows = [...field.closest("table").querySelectorAll("tbody tr")].filter((other) => other.children.length > 1);
  return rows[rows.indexOf(row) + step]?.children[field.cellIndex]?.querySelector("a.c");
}
