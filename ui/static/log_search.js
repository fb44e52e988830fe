// The search of a log: the server goes through it part by part and gives the numbers of the lines that fit.

// More hits than this nobody reads: the search rests, and goes on when it is asked to.
const REST_AFTER = 20_000;

/** A search under way or done: `lines` holds the numbers of the lines that fit, from 0 on and in order. */
export class Search {
  lines = [];
  next = 0;
  isDone = false;
  isResting = false;
  #stop = new AbortController();

  constructor(address, text, level, tell) {
    this.address = address;
    this.text = text;
    this.level = level;
    this.tell = tell;
  }

  /** Goes on: to the end, or until it has found a lot. */
  async go() {
    const limit = this.lines.length + REST_AFTER;
    this.isResting = false;
    for (;;) {
      const query = new URLSearchParams({ q: this.text, level: this.level, from: this.next });
      const answer = await fetch(`${this.address}&${query}`, { signal: this.#stop.signal }).catch(() => null);
      if (this.#stop.signal.aborted) return;
      if (!answer?.ok) {
        this.isResting = true;
        return this.tell();
      }
      const { lines, next, is_at_end } = await answer.json();
      for (const line of lines) this.lines.push(line);
      this.next = next;
      this.isDone = is_at_end;
      this.isResting = !is_at_end && this.lines.length >= limit;
      this.tell();
      if (this.isDone || this.isResting) return;
    }
  }

  stop() {
    this.#stop.abort();
  }

  /** The place among the hits of the first at or after a line. */
  placeAfter(line) {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle] < line) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
