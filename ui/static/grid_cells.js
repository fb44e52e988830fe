// The cells of the grid: where each is, and what it is about. A large grid comes with a letter for each cell; the cells of a
// row become links when the row comes near, since a browser takes seconds for tens of thousands of them.

/** How far outside the window rows are drawn, so that scrolling meets none that is empty. */
const MARGIN = "600px 0px";

const table = () => document.querySelector("table.grid");

/** What each row was drawn from. */
const drawn = new WeakMap();
let alphabet = [];
let columns = [];
const near = "IntersectionObserver" in window && new IntersectionObserver(came, { rootMargin: MARGIN });

/** Draws what is in sight, now and after each refresh. */
export function drawCells() {
  if (!table()) return;
  const heads = [...table().querySelectorAll(".runs [data-key]")];
  const found = heads.map((head) => ({ key: head.dataset.key, url: head.getAttribute("href") }));
  if (JSON.stringify(found) !== JSON.stringify(columns)) columns = found;
  alphabet = JSON.parse(table().dataset.alphabet ?? "[]");
  if (!alphabet.length) return;
  for (const block of table().tBodies) {
    near.unobserve(block);
    near.observe(block);
  }
}

function came(entries) {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) for (const row of target.rows) fill(row);
  }
}

/** Gives a row its cells, if they are letters so far; those that are there and still true stay. */
export function fill(row) {
  const { cells, counts } = row.dataset;
  if (cells === undefined) return;
  const before = row.cells.length > 1 ? drawn.get(row) : undefined;
  if (before?.columns === columns && before.cells === cells && before.counts === counts) return;
  drawn.set(row, { columns, cells, counts });
  const known = before ? shift(row, before) : empty(row);
  const texts = said(cells, counts);
  for (const [column, text] of texts.slice(0, known.length).entries()) {
    if (known[column] !== text) replace(row.cells[column + 1], field(row, column, text));
  }
  const more = texts.slice(known.length).map((text, place) => field(row, known.length + place, text));
  row.insertAdjacentHTML("beforeend", more.join(""));
}

/** What each cell says: its letter, after a capital one how many instances are in which state. */
function said(letters, counts) {
  const several = counts.split("\n");
  return [...letters].map((letter) => (letter === letter.toLowerCase() ? letter : letter + several.shift()));
}

/** Newer runs push older ones out: removes the cells of these, and gives what the others say. */
function shift(row, before) {
  const texts = said(before.cells, before.counts);
  const gone = before.columns.findIndex(({ key }) => key === columns[0]?.key);
  const stays = before.columns.slice(gone).every(({ key }, place) => key === columns[place]?.key);
  if (gone < 0 || !stays) return empty(row);
  for (let count = gone; count > 0; count -= 1) row.cells[1].remove();
  return texts.slice(gone);
}

function empty(row) {
  while (row.cells.length > 1) row.lastElementChild.remove();
  return [];
}

/** Puts a cell in the place of another; if that one had the focus, or Tab came to it, so it is with this one. */
function replace(old, text) {
  const { parentElement: row, cellIndex } = old;
  const hasFocus = old.contains(document.activeElement);
  const isStop = old.querySelector("[tabindex='0']") !== null;
  old.outerHTML = text;
  const link = row.cells[cellIndex].querySelector("a");
  if (isStop) link?.setAttribute("tabindex", "0");
  if (hasFocus) link?.focus();
}

function field(row, column, text) {
  const [state, word] = meaning(text[0]) ?? [];
  const run = columns[column]?.url;
  if (!state || !run) return "<td></td>";
  const name = row.dataset.row;
  const task = encodeURIComponent(name);
  const counts = text.slice(1);
  if (!counts) return `<td><a class=c tabindex=-1 data-s=${state} aria-label="${word}" href="${run}/tasks/${task}"></a></td>`;
  const list = name.endsWith(".") ? run : `${run}?task=${task}`;
  return `<td><a class=c tabindex=-1 data-m data-s=${state} aria-label="${counts}" href="${list}"></a></td>`;
}

/** The name and the word of the state that a letter stands for. */
const meaning = (letter) => alphabet[letter.toLowerCase().charCodeAt(0) - 97];

/** The run (as live events call it) and the task of a cell. */
export function place(cell) {
  const field = cell.closest("td");
  return { run: columns[field.cellIndex - 1]?.key, task: field.parentElement.dataset.row };
}

/** The cell of a run and a task. */
export function cellAt(run, task) {
  const row = rowOf(task);
  const column = columns.findIndex(({ key }) => key === run);
  if (!row || column < 0) return null;
  fill(row);
  return row.cells[column + 1]?.querySelector("a.c");
}

const rowOf = (task) => table()?.querySelector(`tbody tr[data-row="${CSS.escape(task)}"]`);

/** An instance that is not mapped has another state. A row that is not drawn keeps it for later. */
export function setState(run, task, state, word) {
  const row = rowOf(task);
  const column = columns.findIndex(({ key }) => key === run);
  if (!row || column < 0) return;
  const { cells } = row.dataset;
  if (cells === undefined) {
    const cell = row.cells[column + 1]?.querySelector("a.c:not([data-m])");
    if (!cell) return;
    cell.dataset.s = state;
    cell.ariaLabel = word;
    return;
  }
  const letter = String.fromCharCode(97 + alphabet.findIndex(([name]) => name === state));
  if (cells[column] !== cells[column].toLowerCase() || !meaning(letter)) return;
  row.dataset.cells = cells.slice(0, column) + letter + cells.slice(column + 1);
  if (drawn.has(row)) fill(row);
}
