// Reads series from the server. An answer that was asked for before another one is dropped.

import { Series } from "./series.js";

/** A browser asks in steps of so many pixels, so that answers are asked for again by the same address. */
const POINTS_STEP = 50;

export class Source {
  /** The series of a period, so many pixels wide; null if another was asked for meanwhile. */
  async read(query, width, fields) {
    this.asked?.abort();
    this.asked = new AbortController();
    const points = Math.min(4000, Math.max(1, Math.ceil(width / POINTS_STEP)) * POINTS_STEP);
    const address = `/api/sensors/series?${query}&points=${points}&series=${fields.join(",")}`;
    try {
      // The server tells quickly that nothing has changed; the browser then has the answer.
      const response = await fetch(address, { cache: "no-cache", signal: this.asked.signal });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.error ?? `status ${response.status}`);
      return new Series({ ...answer, points });
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    }
  }
}
