// The grid by keyboard, as the ARIA pattern of a grid has it: Tab reaches one cell, from which the arrow keys, Home and End
// lead to the others. The heads of the runs are its first row.

import { fill } from "./grid_cells.js";

const CELLS = ".runs a.c, tbody a.c";
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const table = () => document.querySelector("table.grid");

/** The cell that Tab reaches. */
const stop = () => table().querySelector("a.c[tabindex='0']");

/** Takes the cells out of the order of Tab but for one: the one that had the focus last, or the newest run. */
export function rove() {
  if (!table()) return;
  table().setAttribute("role", "grid");
  const known = stop() ?? [...table().querySelectorAll(".runs a.c")].at(-1);
  for (const link of table().querySelectorAll(`${CELLS}, .bars a`)) link.tabIndex = link === known ? 0 : -1;
}

/** The focus came to a cell: Tab comes back to it. */
export function focused(cell) {
  if (!cell.matches(CELLS)) return;
  stop()?.setAttribute("tabindex", "-1");
  cell.tabIndex = 0;
}

/** The cell that a key leads to from another, or nothing. */
export function neighbour(cell, key) {
  const rows = [table().querySelector(".runs"), ...table().querySelectorAll("tbody tr")];
  const row = rows.indexOf(cell.closest("tr"));
  const column = cell.closest("td, th").cellIndex;
  if (key === "Home") return along([...rows[row].cells]);
  if (key === "End") return along([...rows[row].cells].reverse());
  const [down, right] = STEPS[key] ?? [0, 0];
  if (right) return along(right > 0 ? [...rows[row].cells].slice(column + 1) : [...rows[row].cells].slice(0, column).reverse());
  for (let next = row + down; down && rows[next]; next += down) {
    fill(rows[next]);
    const found = rows[next].cells[column]?.querySelector("a.c");
    if (found) return found;
  }
  return null;
}

const along = (fields) => fields.map((field) => field.querySelector("a.c")).find(Boolean);
