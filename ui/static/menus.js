// Menus and questions that open in place (`details`): one is open at a time, and Escape and a click elsewhere close it.

const MENUS = "details.confirm, details[data-menu]";

/** Closes menus from now on, also those that come later. */
export function startMenus() {
  const close = (but) => {
    for (const menu of document.querySelectorAll(MENUS)) if (menu !== but) menu.open = false;
  };
  document.addEventListener("click", (event) => close(event.target.closest(MENUS)));
  document.addEventListener("keydown", (event) => {
    const open = [...document.querySelectorAll(MENUS)].find((menu) => menu.open);
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
}
