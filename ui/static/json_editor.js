// Text areas that hold JSON: what is wrong is said as one types, with its line and column; a button formats; Tab indents, and
// after Escape it leaves the field as everywhere; the bracket at the cursor is named with its partner.

import { t } from "./language.js";

const PAIRS = { "{": "}", "[": "]" };

for (const field of document.querySelectorAll("textarea[data-json]")) start(field);

function start(field) {
  const bar = Object.assign(document.createElement("p"), { className: "json-bar muted" });
  const sign = Object.assign(document.createElement("span"), { id: `${field.id}.says` });
  sign.setAttribute("role", "status");
  const format = Object.assign(document.createElement("button"), { type: "button", className: "btn small", textContent: t("Format") });
  bar.append(format, sign);
  field.after(bar);
  field.setAttribute("aria-describedby", sign.id);
  let leaves = false;
  const check = () => {
    const fault = field.value.trim() ? faultIn(field.value) : null;
    field.setCustomValidity(fault ? t("line {}, column {}: {}", fault.line, fault.column, fault.text) : "");
    format.disabled = Boolean(fault) || !field.value.trim();
    bar.classList.toggle("fault-text", Boolean(fault));
    if (fault) sign.textContent = field.validationMessage;
    else sign.textContent = partner(field.value, field.selectionStart);
  };
  format.addEventListener("click", () => {
    field.value = JSON.stringify(JSON.parse(field.value), null, 2);
    check();
  });
  field.addEventListener("input", check);
  field.addEventListener("keyup", check);
  field.addEventListener("click", check);
  field.addEventListener("focus", () => { leaves = false; if (!field.validationMessage) sign.textContent = t("Tab indents; Escape, then Tab leaves the field"); });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaves = true;
    else if (event.key === "Tab" && !leaves && !event.shiftKey) type(event, "  ");
    else if (event.key === "Enter") type(event, `\n${field.value.slice(0, field.selectionStart).match(/([ \t]*)[^\n]*$/)[1]}`);
    else if (event.key !== "Tab" && event.key !== "Shift") leaves = false;
  });
  if (field.value) check();
}

/** Writes as if it were typed, so that it can be undone. */
function type(event, text) {
  event.preventDefault();
  if (!document.execCommand("insertText", false, text)) event.target.setRangeText(text, event.target.selectionStart, event.target.selectionEnd, "end");
}

/** Where the bracket before the cursor has its partner. */
function partner(text, cursor) {
  const open = [];
  let inText = false;
  for (let place = 0; place < text.length; place += 1) {
    const letter = text[place];
    if (inText && letter === "\\") place += 1;
    else if (letter === '"') inText = !inText;
    else if (!inText && PAIRS[letter]) open.push(place);
    else if (!inText && (letter === "}" || letter === "]")) {
      const start = open.pop();
      if (place + 1 === cursor) return t("closes the {} of line {}", text[start], lineOf(text, start).line);
      if (start + 1 === cursor) return t("is closed by the {} of line {}", letter, lineOf(text, place).line);
    }
  }
  return "";
}

function lineOf(text, place) {
  const before = text.slice(0, place).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}

/** The first fault of a text that should be JSON, or null. */
export function faultIn(text) {
  let at = 0;
  const fail = (says, place = at) => { throw { ...lineOf(text, place), text: says }; };
  const space = () => { while (" \t\n\r".includes(text[at]) && at < text.length) at += 1; };
  const word = () => {
    const begin = at;
    const found = text.slice(at).match(/^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)(?![\w.])/);
    if (!found) fail(t("here a value is expected"), begin);
    at += found[0].length;
  };
  const string = () => {
    const begin = at;
    for (at += 1; text[at] !== '"'; at += 1) {
      if (at >= text.length || text[at] === "\n") fail(t("this text has no end"), begin);
      if (text[at] === "\\") {
        at += 1;
        if (!/^(["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(at))) fail(t("there is no such escape"), at - 1);
      } else if (text[at] < " ") fail(t("this text has no end"), begin);
    }
    at += 1;
  };
  const many = (end, entry) => {
    const begin = at;
    at += 1;
    space();
    if (text[at] === end) { at += 1; return; }
    for (;;) {
      entry();
      space();
      if (at >= text.length) fail(t("this is never closed"), begin);
      if (text[at] === end) { at += 1; return; }
      if (text[at] !== ",") fail(t("here , or {} is expected", end));
      at += 1;
    }
  };
  const value = () => {
    space();
    if (text[at] === "{") {
      many("}", () => {
        space();
        if (text[at] !== '"') fail(t("here a name in quotes is expected"));
        string();
        space();
        if (text[at] !== ":") fail(t("here : is expected"));
        at += 1;
        value();
      });
    } else if (text[at] === "[") many("]", value);
    else if (text[at] === '"') string();
    else word();
  };
  try {
    value();
    space();
    if (at < text.length) fail(t("here the text should end"));
    return null;
  } catch (fault) {
    if (fault instanceof Error) throw fault;
    return fault;
  }
}
