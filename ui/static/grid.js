// The grid: a cell opens its task instance beside the grid instead of leaving the page; arrow keys move from cell to
// cell; Escape closes. Without scripts, a cell is a link.

const split = document.querySelector("[data-split]");
const panel = document.querySelector("[data-panel]");
let chosen = null;

// The newest runs are at the right: that is where a narrow screen begins.
for (const box of document.querySelectorAll(".gridbox")) box.scrollLeft = box.scrollWidth;

if (split && panel) {
  split.addEventListener("click", (event) => {
    const cell = event.target.closest("tbody a.c");
    if (event.target.closest("[data-panel-close]")) close();
    if (!cell || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(cell);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (!chosen || !event.key.startsWith("Arrow") || event.target.closest("input, select, textarea")) return;
    const next = neighbour(chosen, event.key);
    if (next) { event.preventDefault(); next.focus(); open(next); }
  });
  let waiting = 0;
  document.addEventListener("esteira:event", ({ detail }) => {
    if (!chosen || !chosen.dataset.key.startsWith(`${detail.dag_id}/${detail.run_id}/${detail.task_id}/`)) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => show(chosen), 300);
  });
  const known = new URLSearchParams(location.hash.slice(1)).get("cell");
  const cell = known && document.querySelector(`tbody a.c[data-key="${CSS.escape(known)}"]`);
  if (cell) open(cell);
}

async function open(cell) {
  chosen?.classList.remove("sel");
  chosen = cell;
  chosen.classList.add("sel");
  history.replaceState(null, "", `#cell=${encodeURIComponent(cell.dataset.key)}`);
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
  chosen = null;
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
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  return other?.children[field.cellIndex]?.querySelector("a.c");
}
