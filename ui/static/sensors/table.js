// The table of readings: the server's, a page at a time, put in place without leaving the page.

export class Table {
  constructor(board) {
    this.board = board;
    this.page = Number(this.section.querySelector(".pages").dataset.page);
    board.root.addEventListener("click", (event) => {
      const link = event.target.closest("#readings .pages a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.page = Number(link.dataset.page);
      this.load().then(() => this.section.querySelector(`.pages [rel=${link.rel}]`)?.focus());
    });
  }

  get section() {
    return document.getElementById("readings");
  }

  /** Goes back to the newest. */
  restart() {
    this.page = 1;
    return this.load();
  }

  async load() {
    this.asked?.abort();
    this.asked = new AbortController();
    try {
      const response = await fetch(`/sensors/table?${this.board.query()}&page=${this.page}`, { signal: this.asked.signal });
      if (!response.ok) throw new Error(`/sensors/table answered ${response.status}`);
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("readings");
      if (fresh.outerHTML !== this.section.outerHTML) this.section.replaceWith(fresh);
    } catch (error) {
      if (error.name !== "AbortError") console.warn("the table could not be read", error);
    }
  }
}
