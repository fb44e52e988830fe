// A list of any length in a box that scrolls: only the lines around what is seen are on the page. Lines come in blocks, asked
// for when they are near; each block has its place by its number, so that nothing jumps when one arrives.

const BLOCK = 100;
const KEPT_BLOCKS = 300;
// So many blocks are asked for at once, and kept ready where one goes.
const AHEAD = 5;
// Browsers draw no element of more than some 33 million pixels: of longer lists, a stretch around what is looked at is shown.
const STRETCH = 1_000_000;

/**
 * `view` scrolls; `source` has `count` and `read(from, count)`, which gives rows; `draw` makes the element of a row.
 */
export class Lines {
  #blocks = new Map();
  #heights = new Map();
  #tops = new Float64Array(1);
  #rowHeight = 19;
  #isReading = false;
  #target = null;
  #before = 0;
  #edition = 0;

  constructor(view, draw) {
    this.view = view;
    this.draw = draw;
    this.source = { count: 0, read: async () => [] };
    this.base = 0;
    this.sizer = document.createElement("div");
    this.sizer.className = "sizer";
    view.addEventListener("scroll", () => this.#render(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(view);
  }

  /** Shows another source from now on; where in it, is said next. */
  show(source) {
    this.source = source;
    this.base = Math.max(0, source.count - STRETCH);
    this.#forget();
    this.view.replaceChildren(this.sizer);
    this.#layout();
  }

  /** Draws all that is seen anew: what a line looks like has changed. */
  redraw() {
    const row = this.firstRow();
    this.#forget();
    this.#layout();
    this.scrollTo(row, "start");
  }

  /** There are more lines than before. */
  grown() {
    this.#layout();
    this.#render();
  }

  /** The row at the top of what is seen. */
  firstRow() {
    const block = this.#blockAt(this.view.scrollTop);
    const inside = (this.view.scrollTop - this.#tops[block]) / (this.#height(block) / this.#rowsOf(block) || 1);
    return this.base + block * BLOCK + Math.max(0, Math.floor(inside + 0.01));
  }

  isAtEnd() {
    return this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - 30;
  }

  /** Goes to a row, which may be anywhere. */
  scrollTo(row, where = "center") {
    if (!this.source.count) return;
    row = Math.min(Math.max(0, row), this.source.count - 1);
    if (row < this.base || row >= this.base + STRETCH) {
      this.base = Math.max(0, Math.min(row - STRETCH / 2, this.source.count - STRETCH));
      this.#forget();
      this.#layout();
    }
    this.#target = { row, where };
    this.#aim();
    this.#render();
  }

  scrollToEnd() {
    if (this.base + STRETCH < this.source.count) return this.scrollTo(this.source.count - 1, "end");
    this.#target = null;
    this.view.scrollTop = this.view.scrollHeight;
    this.#render();
  }

  /** The element of a row, if it is on the page. */
  element(row) {
    const block = this.#blocks.get(Math.floor((row - this.base) / BLOCK));
    return block?.element?.children[(row - this.base) % BLOCK] ?? null;
  }

  #forget() {
    this.#edition += 1;
    for (const block of this.#blocks.values()) block.element?.remove();
    this.#blocks.clear();
    this.#heights.clear();
  }

  #shown() {
    return Math.min(STRETCH, this.source.count - this.base);
  }

  #rowsOf(block) {
    return Math.max(0, Math.min(BLOCK, this.#shown() - block * BLOCK));
  }

  #height(block) {
    return this.#heights.get(block) ?? this.#rowsOf(block) * this.#rowHeight;
  }

  /** Gives every block its place. */
  #layout() {
    const blocks = Math.ceil(this.#shown() / BLOCK);
    if (this.#tops.length !== blocks + 1) this.#tops = new Float64Array(blocks + 1);
    for (let block = 0; block < blocks; block += 1) this.#tops[block + 1] = this.#tops[block] + this.#height(block);
    this.sizer.style.height = `${this.#tops[blocks]}px`;
    for (const [number, block] of this.#blocks) {
      if (block.element) block.element.style.transform = `translateY(${this.#tops[number]}px)`;
    }
  }

  #blockAt(top) {
    let low = 0;
    let high = Math.max(0, this.#tops.length - 2);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#tops[middle] <= top) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Puts the row that is wanted where it is wanted, as well as is known by now. */
  #aim() {
    const { row, where } = this.#target;
    const number = Math.floor((row - this.base) / BLOCK);
    const inside = (row - this.base) % BLOCK;
    const element = this.element(row);
    const top = this.#tops[number] + (element ? element.offsetTop : inside * this.#rowHeight);
    const free = this.view.clientHeight - (element?.offsetHeight ?? this.#rowHeight);
    this.view.scrollTop = top - { start: 0, center: free / 2, end: free }[where];
    if (element) this.#target = null;
  }

  #render() {
    const margin = this.view.clientHeight || 400;
    const first = this.#blockAt(this.view.scrollTop - margin);
    const last = this.#blockAt(this.view.scrollTop + 2 * margin);
    for (const [number, block] of this.#blocks) {
      if ((number < first || number > last) && block.element) {
        block.element.remove();
        block.element = null;
      }
    }
    for (let number = first; number <= last && number < this.#tops.length - 1; number += 1) {
      const block = this.#blocks.get(number);
      if (block?.rows.length) this.#fill(number, block);
    }
    this.#ask(first, last);
    this.#tidy(first, last);
  }

  /** Asks for what is missing: where one looks first, then where one goes. */
  #ask(first, last) {
    const goesUp = this.view.scrollTop < this.#before;
    this.#before = this.view.scrollTop;
    const far = goesUp ? [first - AHEAD, last] : [first, last + AHEAD];
    const lacks = (number) => (this.#blocks.get(number)?.rows.length ?? 0) < this.#rowsOf(number);
    const range = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, place) => from + place)
      .filter((number) => number >= 0 && number < this.#tops.length - 1 && lacks(number));
    const missing = range(first, last);
    const start = missing.length ? missing : range(...far);
    if (!start.length) return;
    let [from, to] = goesUp ? [start.at(-1), start.at(-1)] : [start[0], start[0]];
    while (goesUp && to - from < AHEAD - 1 && from > 0 && lacks(from - 1)) from -= 1;
    while (!goesUp && to - from < AHEAD - 1 && to < this.#tops.length - 2 && lacks(to + 1)) to += 1;
    const begin = from * BLOCK + (this.#blocks.get(from)?.rows.length ?? 0);
    this.#read(begin, Math.min((to + 1) * BLOCK, this.#shown()) - begin);
  }

  #tidy(first, last) {
    if (this.#blocks.size <= KEPT_BLOCKS) return;
    for (const number of this.#blocks.keys()) if (number < first || number > last) this.#blocks.delete(number);
  }

  /** One request at a time: what is wanted by its end is asked for next. */
  async #read(from, count) {
    if (this.#isReading) return;
    this.#isReading = true;
    const edition = this.#edition;
    const rows = await this.source.read(this.base + from, count).catch(() => null);
    this.#isReading = false;
    if (!rows) return void setTimeout(() => this.#render(), 2000);
    if (edition === this.#edition) {
      for (const [place, row] of rows.entries()) this.#put(from + place, row);
      if (!rows.length) return;
    }
    this.#render();
    if (this.onread) this.onread();
  }

  #put(place, row) {
    const number = Math.floor(place / BLOCK);
    const block = this.#blocks.get(number) ?? { rows: [], element: null };
    this.#blocks.set(number, block);
    block.rows[place % BLOCK] = row;
  }

  /** Draws the rows of a block that are not drawn yet, and takes its true height. */
  #fill(number, block) {
    if (block.element && block.element.children.length === block.rows.length) return;
    if (!block.element) {
      block.element = document.createElement("div");
      block.element.className = "block";
      block.element.style.transform = `translateY(${this.#tops[number]}px)`;
      block.element.dataset.number = number;
      // In their order, so that what is selected and read aloud is, too.
      const next = [...this.sizer.children].find((other) => Number(other.dataset.number) > number);
      this.sizer.insertBefore(block.element, next ?? null);
    }
    const drawn = block.element.children.length;
    block.element.append(...block.rows.slice(drawn).map((row, place) => this.draw(row, this.base + number * BLOCK + drawn + place)));
    const known = this.#height(number);
    const height = block.element.offsetHeight;
    if (block.rows.length === 1 || !this.#heights.size) this.#rowHeight = block.element.firstChild.offsetHeight || this.#rowHeight;
    if (block.rows.length < this.#rowsOf(number)) return;
    this.#heights.set(number, height);
    const isAbove = this.#tops[number] + known <= this.view.scrollTop;
    this.#layout();
    if (isAbove && !this.#target && height !== known) this.view.scrollTop += height - known;
    if (this.#target) this.#aim();
  }
}
