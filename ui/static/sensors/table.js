// The table of readings, from the same columns as the charts: it follows the period without asking the server.

import { countText, timeText } from "./format.js";

export class Table {
  constructor(section, board) {
    this.section = section;
    this.board = board;
    this.body = section.querySelector("tbody");
    this.count = section.querySelector("[data-table-count]");
    this.pages = section.querySelector(".pages");
    this.rows = Number(section.dataset.rows);
    this.page = Number(this.pages.dataset.page);
    this.pages.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      event.preventDefault();
      this.page += link.rel === "next" ? 1 : -1;
      this.render();
      this.pages.querySelector(`[rel=${link.rel}]`)?.focus();
    });
  }

  /** Goes back to the newest and draws. */
  restart() {
    this.page = 1;
    this.render();
  }

  render() {
    const { series, view } = this.board;
    const [start, end] = series.placesOf(view);
    const count = end - start;
    const pageCount = Math.max(1, Math.ceil(count / this.rows));
    this.page = Math.min(Math.max(1, this.page), pageCount);
    const newest = end - 1 - (this.page - 1) * this.rows;
    const rows = [];
    for (let place = newest; place >= start && place > newest - this.rows; place -= 1) rows.push(this.row(place));
    if (!rows.length) rows.push(emptyRow(this.board.charts.length + 1));
    this.body.replaceChildren(...rows);
    this.count.textContent = `${countText(count)} in this period, newest first`;
    this.renderPages(pageCount);
  }

  row(place) {
    const { series, charts } = this.board;
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = timeText(series.time[place]);
    row.append(head);
    for (const chart of charts) {
      const value = series.values[chart.field][place];
      const cell = document.createElement("td");
      cell.className = "number";
      if (value > chart.limit) {
        const mark = document.createElement("span");
        mark.className = "mark";
        mark.title = "over the limit";
        mark.textContent = "!";
        cell.classList.add("over");
        cell.append(mark, " ");
      }
      cell.append(chart.text(value));
      row.append(cell);
    }
    return row;
  }

  renderPages(pageCount) {
    const link = (rel, label, page) => {
      const anchor = document.createElement("a");
      anchor.className = "btn small";
      anchor.rel = rel;
      anchor.href = `/sensors?${this.board.query()}&page=${page}#readings`;
      anchor.textContent = label;
      return anchor;
    };
    const where = document.createElement("span");
    where.className = "muted";
    where.textContent = `page ${countText(this.page)} of ${countText(pageCount)}`;
    const parts = [];
    if (this.page > 1) parts.push(link("prev", "Newer", this.page - 1));
    parts.push(where);
    if (this.page < pageCount) parts.push(link("next", "Older", this.page + 1));
    this.pages.replaceChildren(...parts);
  }
}

function emptyRow(columns) {
  const row = document.createElement("tr");
  const cell = document.createElement("td");
  cell.colSpan = columns;
  cell.className = "muted";
  cell.textContent = "No readings in this period.";
  row.append(cell);
  return row;
}
