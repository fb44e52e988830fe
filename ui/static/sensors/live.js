// What comes while the page is open: server-sent events wake it; it never asks by the clock. A hidden page lets go.

import { t } from "../language.js";
import { countText } from "./format.js";

/** Refreshing happens no more often than this, in milliseconds. */
const REFRESH_PERIOD = 300;
/** The server may answer with what it counted a moment before; so one refresh more comes so long after the last. */
const SETTLES = 2500;
/** The badge stays for so long after the last progress. */
const BADGE_STAYS = 2500;
/** What pipelines count, in words. */
const WORDS = { sent: t("sending"), consumed: t("reading"), stored: t("storing"), alerts: t("alerting") };

export class Live {
  /** `refresh` brings the page up to date, and is told the counts. */
  constructor(root, refresh) {
    this.root = root;
    this.badge = root.querySelector("[data-streaming]");
    this.refresh = refresh;
    this.rates = new Map();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    this.open();
  }

  open() {
    if (this.source || document.hidden) return;
    this.source = new EventSource("/api/sensors/stream");
    this.source.addEventListener("counts", (event) => {
      const counts = JSON.parse(event.data);
      // The first tells how it is, which the page shows already, unless it is empty and should not be. What has come
      // while the page was hidden differs from before.
      const isNews = this.counts
        ? JSON.stringify(counts) !== JSON.stringify(this.counts)
        : this.root.dataset.empty === "true" && counts.readings > 0;
      this.counts = counts;
      if (isNews) this.schedule();
    });
    this.source.addEventListener("run", () => this.schedule());
    this.source.addEventListener("alerts", () => this.schedule());
    this.source.addEventListener("progress", (event) => this.progress(JSON.parse(event.data)));
  }

  close() {
    this.source?.close();
    this.source = null;
  }

  /** Refreshes soon, once for all that comes until then, and once more when it has become quiet. */
  schedule() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.refreshNow(), SETTLES);
    if (this.timer) return;
    const wait = Math.max(0, (this.refreshedAt ?? -Infinity) + REFRESH_PERIOD - performance.now());
    this.timer = setTimeout(async () => {
      await this.refreshNow();
      this.timer = null;
    }, Math.max(wait, 50));
  }

  async refreshNow() {
    this.refreshedAt = performance.now();
    try {
      await this.refresh(this.counts ?? {});
    } catch (error) {
      console.warn("the page could not be refreshed", error);
    }
  }

  progress({ run_id, task_id, done, total, unit }) {
    const word = WORDS[unit];
    if (!word) return;
    const key = `${run_id} ${task_id}`;
    const now = performance.now();
    const first = this.rates.get(key) ?? { at: now, done };
    this.rates.set(key, first);
    const rate = now - first.at > 150 ? (done - first.done) / ((now - first.at) / 1000) : 0;
    const of = total ? ` ${t("of {}", countText(total))}` : "";
    const speed = rate > 0 ? ` · ${countText(Math.round(rate))}/s` : "";
    this.badge.textContent = `${word} ${countText(done)}${of}${speed}`;
    this.badge.hidden = false;
    clearTimeout(this.badgeTimer);
    this.badgeTimer = setTimeout(() => {
      this.badge.hidden = true;
      this.rates.clear();
    }, BADGE_STAYS);
  }
}
