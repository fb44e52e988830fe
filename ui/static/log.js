// The log: follows an attempt while it runs, searches, wraps. New lines are asked for by their place in the file, so
// that none is missed or doubled.

const box = document.querySelector("[data-log]");
if (box) start(box);

// The log of the first attempt appears when there is one.
if (document.querySelector("[data-region=no-log]")) {
  document.addEventListener("esteira:event", ({ detail }) => {
    if (detail.name === "task.started" && location.pathname.endsWith(`/tasks/${encodeURIComponent(detail.task_id)}`)) location.reload();
  });
}

function start(box) {
  const list = box.querySelector("[data-lines]");
  const wrap = box.querySelector("[data-log-wrap]");
  const follow = box.querySelector("[data-log-follow]");
  const setWrap = () => {
    list.classList.toggle("wrap", wrap.checked);
    localStorage.setItem("log-wrap", wrap.checked ? "1" : "");
  };
  wrap.checked = Boolean(localStorage.getItem("log-wrap"));
  wrap.addEventListener("change", setWrap);
  setWrap();
  const search = startSearch(box, list);
  if (box.dataset.open !== "true") {
    follow.closest("label").hidden = true;
    return;
  }
  // Whoever scrolls up wants to read; whoever comes back to the end wants to follow.
  addEventListener("wheel", (event) => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
  addEventListener("scroll", () => { if (isAtEnd()) follow.checked = true; }, { passive: true });
  keepReading(box, list, follow, search);
}

function isAtEnd() {
  return innerHeight + scrollY >= document.documentElement.scrollHeight - 40;
}

async function keepReading(box, list, follow, search) {
  let offset = Number(box.dataset.offset);
  if (follow.checked) scrollTo(0, document.documentElement.scrollHeight);
  for (;;) {
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    const answer = await fetch(`${box.dataset.log}&offset=${offset}`).catch(() => null);
    if (!answer?.ok) {
      await new Promise((done) => setTimeout(done, 2000));
      continue;
    }
    const page = await answer.json();
    offset = page.next_offset;
    if (page.lines.length) {
      box.querySelector("[data-log-empty]")?.remove();
      list.append(...page.lines.map(line));
      search();
      if (follow.checked) scrollTo(0, document.documentElement.scrollHeight);
    }
    if (!page.is_open && page.is_at_end) {
      follow.closest("label").hidden = true;
      return;
    }
  }
}

function line({ clock, exact, level, text }) {
  const row = document.createElement("li");
  row.dataset.level = level;
  const time = Object.assign(document.createElement("time"), { textContent: clock, title: exact });
  const sign = Object.assign(document.createElement("b"), { textContent: level });
  const words = Object.assign(document.createElement("span"), { textContent: text });
  row.append(time, sign, words);
  return row;
}

/** Marks the lines that hold what is searched for; Enter goes to the next one. Returns the search, to be repeated. */
function startSearch(box, list) {
  const field = box.querySelector("[data-log-search]");
  const sign = box.querySelector("[data-log-hits]");
  let at = -1;
  const search = () => {
    const needle = field.value.trim().toLowerCase();
    let hits = 0;
    for (const row of list.children) {
      const isHit = needle !== "" && row.lastElementChild.textContent.toLowerCase().includes(needle);
      row.classList.toggle("hit", isHit);
      row.classList.remove("at");
      if (isHit) hits += 1;
    }
    sign.textContent = needle === "" ? "" : `${hits} ${hits === 1 ? "line" : "lines"}`;
  };
  field.addEventListener("input", () => { at = -1; search(); });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const hits = list.querySelectorAll(".hit");
    if (!hits.length) return;
    hits[at]?.classList.remove("at");
    at = (at + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    hits[at].classList.add("at");
    hits[at].scrollIntoView({ block: "center" });
    sign.textContent = `${at + 1} of ${hits.length}`;
  });
  return search;
}
