// The sensor dashboard: starts the board of charts, and follows what comes. Without this script the page still shows current
// values with their last week, alerts and the table.

import { Board } from "./board.js";
import { Live } from "./live.js";
import { refreshParts, startAcknowledging } from "./parts.js";
import { defineGap } from "./svg.js";

/** Counting takes about so long, in milliseconds. */
const STALE_FOR = 900;

async function start(root) {
  if (root.dataset.empty === "true") {
    new Live(root, ({ readings }) => (readings > 0 ? location.reload() : refreshParts()));
    return;
  }
  defineGap();
  const board = new Board(root);
  const readMarks = () => {
    board.readAcknowledged();
    board.mark();
  };
  startAcknowledging(root, () => {
    readMarks();
    board.render();
  });
  const refresh = async () => {
    await refreshParts();
    readMarks();
    await Promise.all([board.load(), board.loadWhole(), board.table.page === 1 && board.table.load()]);
  };
  await Promise.all([board.load(), board.loadWhole()]);
  if (board.series) document.documentElement.dataset.charts = "drawn";
  new Live(root, refresh);
  refreshStale();
}

/** Counts that were being made when the page was, in a moment. */
function refreshStale() {
  if (document.getElementById("sensors-services").dataset.freshFacts === "true") return;
  setTimeout(() => refreshParts().catch((error) => console.warn("the counts could not be read", error)), STALE_FOR);
}

const root = document.querySelector("[data-sensors]");
if (root) start(root);
