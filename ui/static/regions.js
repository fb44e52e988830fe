// Parts of a page that follow what happens. A region is asked for anew from the server (the same page) and what differs
// is changed in place: elements that stay keep their identity, so that nothing jumps and an open menu stays open.

import { tick } from "./times.js";

const PAUSE_MIN = 700;
let timer = 0;
let pause = PAUSE_MIN;
let isBusy = false;
let isWanted = false;

/** Asks for a refresh soon; many wishes in a short time are one. */
export function refresh() {
  isWanted = true;
  if (timer || isBusy || document.hidden) return;
  timer = setTimeout(() => run(), pause);
}

/** Shows another address of this page: what differs is changed in place, even under the pointer. */
export async function turnTo(address) {
  history.pushState(null, "", address);
  await run(true);
}

/** Shows what the address says now, after a step back or forward. */
export const followAddress = () => run(true);

/** The address as the server sees it. */
const asked = () => location.pathname + location.search;

async function run(isForced = false) {
  timer = 0;
  isWanted = false;
  isBusy = true;
  const begin = performance.now();
  const address = asked();
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const text = await answer.text();
    // An answer to what is no longer asked comes too late.
    if (answer.ok && address === asked()) apply(new DOMParser().parseFromString(text, "text/html"), isForced);
  } catch {
    // The live indicator tells of a server that is away; the next event asks again.
  }
  // A page that is dear to make is made less often.
  pause = Math.max(PAUSE_MIN, (performance.now() - begin) * 4);
  isBusy = false;
  if (isWanted) refresh();
}

function apply(fresh, isForced) {
  for (const region of document.querySelectorAll("[data-region]")) {
    const other = fresh.querySelector(`[data-region="${region.dataset.region}"]`);
    if (!other) continue;
    if (!isForced && region.hasAttribute("data-hold") && region.matches(":hover") && shape(region) !== shape(other)) {
      // Columns would move under the pointer: states are told by events meanwhile.
      region.addEventListener("mouseleave", refresh, { once: true });
      continue;
    }
    morph(region, other);
  }
  tick();
  document.dispatchEvent(new CustomEvent("esteira:refreshed"));
}

function shape(region) {
  return region.querySelectorAll("tr, thead :is(td, th)").length;
}

/** Makes `old` like `fresh`, changing no more than differs. */
function morph(old, fresh) {
  attributes(old, fresh);
  // The cells of a large grid: all but the head of the row is made by a script.
  if (fresh.dataset?.cells !== undefined) {
    morph(old.firstElementChild, fresh.firstElementChild);
    return;
  }
  const rows = new Map();
  for (const child of old.children) if (child.dataset?.row) rows.set(child.dataset.row, child);
  let here = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const known = next.dataset?.row && rows.get(next.dataset.row);
    if (known) {
      if (known !== here) old.insertBefore(known, here);
      morph(known, next);
      here = known.nextSibling;
    } else if (here && !here.dataset?.row && alike(here, next)) {
      if (here.nodeType === Node.ELEMENT_NODE) morph(here, next);
      else if (here.data !== next.data) here.data = next.data;
      here = here.nextSibling;
    } else {
      old.insertBefore(document.importNode(next, true), here);
    }
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    gone.remove();
  }
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && !other.dataset?.row;
}

// What scripts say of an element that the server does not.
const KEPT = new Set(["open", "title", "class", "tabindex", "role"]);

function attributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (name === "class") continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (!KEPT.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  const chosen = old.classList.contains("sel");
  if (old.getAttribute("class") !== fresh.getAttribute("class")) {
    if (fresh.hasAttribute("class")) old.setAttribute("class", fresh.getAttribute("class"));
    else old.removeAttribute("class");
    if (chosen) old.classList.add("sel");
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && isWanted) refresh(); });

// A region that draws time passing (the bars of a run) is drawn anew now and then while it asks for it.
setInterval(() => {
  const seconds = Number(document.querySelector("[data-region][data-refresh]")?.dataset.refresh);
  if (seconds && Date.now() % (seconds * 1000) < 1000) refresh();
}, 1000);
