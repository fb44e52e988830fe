// The log of an attempt: any line of it by scrolling, by number (#L123) or by search; it follows while the attempt runs.

import { Lines } from "./log_lines.js";
import { Search } from "./log_search.js";
import { count, t } from "./language.js";

const PAUSE = 150;
const PICKED_MAX = 300;

class Log {
  constructor(box) {
    const find = (name) => box.querySelector(`[data-log-${name}]`);
    this.box = box;
    this.view = find("view");
    this.controls = { search: find("search"), hits: find("hits"), next: find("next"), previous: find("previous"), more: find("more"), level: find("level"),
      only: find("only"), wrap: find("wrap"), follow: find("follow"), offsets: find("offsets"), top: find("top"), end: find("end"), line: find("line") };
    this.ticks = find("ticks");
    this.address = box.dataset.log;
    this.total = 0;
    this.isOpen = box.dataset.open === "true";
    this.at = null;
    this.search = null;
    this.lines = new Lines(this.view, (row, place) => this.draw(row, place));
  }

  async start() {
    for (const element of this.box.querySelectorAll("[data-log-scripted]")) element.hidden = false;
    for (const element of this.box.querySelectorAll("[data-no-script]")) element.hidden = true;
    this.remember("wrap", () => {
      this.view.classList.toggle("wrap", this.controls.wrap.checked);
      this.lines.redraw();
    });
    this.remember("offsets", () => this.lines.redraw());
    this.view.classList.toggle("wrap", this.controls.wrap.checked);
    this.listen();
    // Of a long log nobody has read yet, the server counts the lines now.
    this.total = Number(this.box.dataset.total) || (await this.ask({ from: 0, count: 0 })).total;
    if (this.total) this.lines.show(this.all());
    this.begin();
    this.controls.follow.closest("label").hidden = !this.isOpen;
    if (this.isOpen) this.follow();
  }

  /** Where the address says, else at the end. */
  begin() {
    const named = Number(location.hash.match(/^#L(\d+)$/)?.[1] ?? this.box.dataset.at);
    if (named) this.goTo(named - 1);
    else this.toEnd();
    const query = new URLSearchParams(location.search);
    this.controls.search.value = query.get("q") ?? "";
    this.controls.level.value = query.get("level") ?? "";
    if (this.controls.search.value || this.controls.level.value) this.look();
  }

  /** To the last line. Of a log that grows no more, it is aimed at until it is there: those before it may turn out higher. */
  toEnd() {
    if (this.isOpen) this.lines.scrollToEnd();
    else this.lines.scrollTo(this.lines.source.count - 1, "end");
  }

  async ask(query) {
    const answer = await fetch(`${this.address}&${new URLSearchParams(query)}`);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  /** Every line. */
  all() {
    const log = this;
    return {
      get count() { return log.total; },
      number: (row) => row,
      row: (number) => number,
      read: async (from, length) => {
        const { lines } = await log.ask({ from, count: Math.min(length, 500) });
        // `esteira-bench browser` asks when the first of them were drawn.
        requestAnimationFrame(() => setTimeout(() => performance.mark("esteira:log")));
        return lines;
      },
    };
  }

  /** The lines that were found. */
  found(search) {
    const log = this;
    return {
      get count() { return search.lines.length; },
      number: (row) => search.lines[row],
      row: (number) => search.placeAfter(number),
      read: async (from, length) => (await log.ask({ lines: search.lines.slice(from, from + Math.min(length, PICKED_MAX)) })).lines,
    };
  }

  remember(name, act) {
    const control = this.controls[name];
    control.checked = Boolean(localStorage.getItem(`log-${name}`));
    control.addEventListener("change", () => {
      localStorage.setItem(`log-${name}`, control.checked ? "1" : "");
      act();
    });
  }

  listen() {
    const { search, next, previous, more, level, only, follow, top, end, line } = this.controls;
    let wait = 0;
    search.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => this.look(), PAUSE);
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    });
    level.addEventListener("change", () => this.look());
    only.addEventListener("change", () => this.choose());
    next.addEventListener("click", () => this.step(1));
    previous.addEventListener("click", () => this.step(-1));
    more.addEventListener("click", () => this.search?.go());
    top.addEventListener("click", () => { follow.checked = false; this.lines.scrollTo(0, "start"); });
    end.addEventListener("click", () => this.toEnd());
    follow.addEventListener("change", () => { if (follow.checked) this.lines.scrollToEnd(); });
    line.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (Number(line.value) > 0) location.hash = `L${Number(line.value)}`;
    });
    addEventListener("hashchange", () => {
      const named = Number(location.hash.match(/^#L(\d+)$/)?.[1]);
      if (named) this.goTo(named - 1);
    });
    // Whoever goes up wants to read; whoever comes back to the end wants to follow.
    let before = 0;
    this.view.addEventListener("scroll", () => {
      if (this.view.scrollTop < before - 2 && !this.lines.isAtEnd()) follow.checked = false;
      else if (this.lines.isAtEnd()) follow.checked = this.isOpen;
      before = this.view.scrollTop;
    }, { passive: true });
    this.lines.onread = () => { if (this.isOpen && follow.checked) this.lines.scrollToEnd(); };
  }

  /** Goes to a line, counted from 0, and marks it. */
  goTo(number) {
    this.controls.follow.checked = false;
    this.view.querySelector(".at")?.classList.remove("at");
    this.at = number;
    // Whoever names a line that is no hit wants to see it all the same.
    if (this.controls.only.checked && this.search && !this.search.lines.includes(number)) {
      this.controls.only.checked = false;
      this.choose();
    }
    const row = this.lines.source.row?.(number) ?? number;
    const element = this.lines.element(row);
    element?.classList.add("at");
    const [place, frame] = [element?.getBoundingClientRect(), this.view.getBoundingClientRect()];
    if (!place || place.top < frame.top || place.bottom > frame.bottom) this.lines.scrollTo(row);
  }

  /** Looks for what the fields say, and writes it into the address. */
  look() {
    this.search?.stop();
    const [text, level] = [this.controls.search.value.trim(), this.controls.level.value];
    const address = new URL(location.href);
    for (const [name, value] of [["q", text], ["level", level]]) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    history.replaceState(history.state, "", address);
    this.search = text || level ? new Search(this.address.replace("/log?", "/log/search?"), text, level, () => this.tell()) : null;
    this.isFresh = true;
    if (!this.search) {
      this.tell();
      this.choose();
    } else {
      this.search.go();
    }
  }

  /** Shows all lines or only what was found. */
  choose() {
    const number = this.at ?? this.lines.source.number?.(this.lines.firstRow()) ?? 0;
    const isOnly = this.search && (this.search.level || this.controls.only.checked);
    this.lines.show(isOnly ? this.found(this.search) : this.all());
    if (this.isOpen && this.controls.follow.checked) this.lines.scrollToEnd();
    else this.lines.scrollTo(this.lines.source.row(number), "center");
  }

  /** What the search has found so far. */
  tell() {
    const { hits, next, previous, more, only } = this.controls;
    const search = this.search;
    const found = search?.lines.length ?? 0;
    next.hidden = previous.hidden = !found;
    more.hidden = !search?.isResting;
    only.closest("label").hidden = !search?.text;
    let text = "";
    if (search) {
      const place = search.lines[search.placeAfter(this.at ?? -1)] === this.at && this.at !== null ? search.placeAfter(this.at) + 1 : 0;
      if (place) text = t("{} of {}", count(place), count(found));
      else text = found === 1 ? t("1 line") : t("{} lines", count(found));
      if (!search.isDone) text += ` · ${t("searched up to line {}", count(search.next))}`;
    }
    hits.textContent = text;
    this.drawTicks();
    if (this.isFresh && search && (found || search.isDone)) {
      this.isFresh = false;
      this.choose();
    } else if (search && this.lines.source.count === found) {
      this.lines.grown();
    }
  }

  /** To the next hit, or the one before. */
  step(by) {
    const lines = this.search?.lines ?? [];
    if (!lines.length) return;
    const from = this.at ?? this.lines.source.number(this.lines.firstRow());
    let place = this.search.placeAfter(from);
    if (by < 0) place -= 1;
    else if (lines[place] === this.at) place += 1;
    this.goTo(lines[(place + lines.length) % lines.length]);
    this.tell();
  }

  /** Where the hits are, beside the scrollbar. */
  drawTicks() {
    const places = new Set();
    for (const line of this.search?.text ? this.search.lines : []) places.add(Math.floor((line / Math.max(1, this.total)) * 500));
    this.ticks.replaceChildren(...[...places].map((place) => {
      const tick = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [name, value] of Object.entries({ x: 0, y: place, width: 6, height: 1.5 })) tick.setAttribute(name, value);
      return tick;
    }));
  }

  /** Waits for more while the attempt runs. */
  async follow() {
    while (this.isOpen) {
      if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
      const page = await this.ask({ from: this.total, count: 1, wait: true }).catch(() => null);
      if (!page) {
        await new Promise((done) => setTimeout(done, 2000));
        continue;
      }
      this.grow(page);
      await new Promise((done) => setTimeout(done, PAUSE));
    }
    this.controls.follow.closest("label").hidden = true;
  }

  grow({ total, is_open }) {
    const isFirst = this.total === 0 && total > 0;
    const hasGrown = total > this.total;
    this.total = total;
    this.isOpen = is_open || hasGrown;
    if (isFirst) this.lines.show(this.all());
    if (hasGrown) this.lines.grown();
    if (hasGrown && this.search?.isDone) this.search.go();
    if (hasGrown && this.controls.follow.checked) this.lines.scrollToEnd();
  }

  draw(line, row) {
    const number = this.lines.source.number(row);
    const element = document.createElement("div");
    element.className = number === this.at ? "line at" : "line";
    element.dataset.level = line.level;
    const place = Object.assign(document.createElement("a"), { className: "no", href: `#L${number + 1}`, textContent: number + 1, tabIndex: -1 });
    const time = Object.assign(document.createElement("time"), { textContent: this.clock(line), title: line.exact });
    const sign = Object.assign(document.createElement("b"), { textContent: line.level });
    const words = document.createElement("span");
    words.append(...marked(line.text, this.search?.text ?? ""));
    if (line.more) words.append(Object.assign(document.createElement("i"), { textContent: t(" … and {} letters more, in the download", count(line.more)) }));
    element.append(place, time, sign, words);
    return element;
  }

  clock({ at, clock }) {
    if (!this.controls.offsets.checked || !Number(this.box.dataset.start)) return clock;
    const millis = Math.max(0, at - Number(this.box.dataset.start));
    const two = (number) => String(Math.floor(number)).padStart(2, "0");
    const seconds = `${two((millis / 1000) % 60)}.${String(millis % 1000).padStart(3, "0")}`;
    return `+${two(millis / 3_600_000)}:${two((millis / 60_000) % 60)}:${seconds}`;
  }
}

/** A text with its hits marked. */
function marked(text, wanted) {
  const [low, needle] = [text.toLowerCase(), wanted.toLowerCase()];
  if (!needle || low.length !== text.length) return [text];
  const parts = [];
  let from = 0;
  for (let place = low.indexOf(needle); place >= 0; place = low.indexOf(needle, from)) {
    parts.push(text.slice(from, place), Object.assign(document.createElement("mark"), { textContent: text.slice(place, place + needle.length) }));
    from = place + needle.length;
  }
  return [...parts, text.slice(from)];
}

const box = document.querySelector("[data-log]");
if (box) new Log(box).start();

// The log of the first attempt appears when there is one.
if (document.querySelector("[data-region=no-log]")) {
  document.addEventListener("esteira:event", ({ detail }) => {
    if (detail.name === "task.started" && location.pathname.endsWith(`/tasks/${encodeURIComponent(detail.task_id)}`)) location.reload();
  });
}
