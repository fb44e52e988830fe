// The cells of the grid: where each is, and what it is about. A large grid comes with a letter for each cell; the cells of a
// row become links when the row comes near, since a browser takes seconds for tens of thousands of them.

/** How far outside the window rows are drawn, so that scrolling meets none that is empty. */
const MARGIN = "600px 0px";

const table = () => document.querySelector("table.grid");

/** What each row was drawn from. */
let drawn = new WeakMap();
let alphabet = [];
let columns = [];
const near = "IntersectionObserver" in window && new IntersectionObserver(came, { rootMargin: MARGIN });

/** Draws what is in sight, now and after each refresh. */
export function drawCells() {
  if (!table()) return;
  const heads = [...table().querySelectorAll(".runs [data-key]")];
  const found = heads.map((head) => ({ key: head.dataset.key, url: head.getAttribute("href") }));
  // Other runs: each row is another.
  if (JSON.stringify(found) !== JSON.stringify(columns)) drawn = new WeakMap();
  columns = found;
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

/** Gives a row its cells, if they are letters so far. */
export function fill(row) {
  const { cells, counts } = row.dataset;
  if (cells === undefined) return;
  const wanted = `${cells}\n${counts}`;
  if (drawn.get(row) === wanted && row.cells.length > 1) return;
  drawn.set(row, wanted);
  const focused = columnOf(row.contains(document.activeElement) && document.activeElement);
  const stop = columnOf(row.querySelector("a.c[tabindex='0']"));
  while (row.cells.length > 1) row.lastElementChild.remove();
  row.insertAdjacentHTML("beforeend", links(row.dataset.row, cells, counts));
  if (stop > 0) row.cells[stop]?.querySelector("a.c")?.setAttribute("tabindex", "0");
  if (focused > 0) row.cells[focused]?.querySelector("a.c")?.focus();
}

const columnOf = (element) => (element ? element.closest("td, th").cellIndex : 0);

function links(name, letters, counts) {
  const several = counts.split("\n");
  const task = name.endsWith(".") ? null : encodeURIComponent(name);
  let text = "";
  for (let column = 0; column < letters.length; column += 1) {
    const letter = letters[column];
    const [state, word] = meaning(letter) ?? [];
    const run = columns[column]?.url;
    if (!state || !run) text += "<td></td>";
    else if (letter === letter.toLowerCase()) {
      text += `<td><a class=c tabindex=-1 data-s=${state} aria-label="${word}" href="${run}/tasks/${task}"></a></td>`;
    } else {
      const list = task === null ? run : `${run}?task=${task}`;
      text += `<td><a class=c tabindex=-1 data-m data-s=${state} aria-label="${several.shift()}" href="${list}"></a></td>`;
    }
  }
  return text;
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
