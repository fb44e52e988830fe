// The graph: a node under the pointer, or reached by the keyboard, lights the edges to what it waits for and to what
// waits for it.

const box = document.querySelector(".graphbox");

if (box) {
  for (const kind of ["pointerover", "focusin"]) {
    box.addEventListener(kind, (event) => light(event.target.closest(".node")?.dataset.node));
  }
  for (const kind of ["pointerleave", "focusout"]) box.addEventListener(kind, () => light());
}

function light(node) {
  for (const edge of box.querySelectorAll(".edge")) {
    edge.classList.toggle("lit", node !== undefined && (edge.dataset.from === node || edge.dataset.to === node));
  }
}
