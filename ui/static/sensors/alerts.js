// The page of alerts: ticking all of them at once, and how many are ticked.

import { t } from "../language.js";

const form = document.querySelector("[data-alerts]");
const all = form?.querySelector("[data-pick-all]");

if (all) {
  const boxes = [...form.querySelectorAll("[name=message_id]")];
  const told = form.querySelector("[data-picked]");
  const count = () => {
    const picked = boxes.filter((box) => box.checked).length;
    all.checked = picked === boxes.length;
    all.indeterminate = picked > 0 && picked < boxes.length;
    told.textContent = picked ? t("{} ticked", picked) : "";
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  form.addEventListener("change", count);
  // What a browser ticked again after going back.
  addEventListener("pageshow", count);
}
