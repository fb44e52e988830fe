// Small helpers to draw in SVG. Colours and strokes are classes in sensors.css, so that themes need no code.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** An element with attributes, in a parent if one is given. */
export function draw(parent, name, attributes = {}, text = "") {
  const element = document.createElementNS(NAMESPACE, name);
  set(element, attributes);
  if (text) element.textContent = text;
  parent?.append(element);
  return element;
}

/** Sets attributes. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

const round = (number) => Math.round(number * 10) / 10;

/** The path of a line through stretches of points; a point alone is a dot. */
export function linePath(stretches) {
  return stretches
    .map((points) => {
      const path = points.map(([x, y]) => `${round(x)} ${round(y)}`).join("L");
      return points.length === 1 ? `M${path}h.01` : `M${path}`;
    })
    .join("");
}

/** Stretches that lie so near to each other are one: a line shows that readings are missing, an area would flicker. */
export function joined(stretches, least) {
  const wide = [];
  for (const points of stretches) {
    const before = wide[wide.length - 1];
    if (before && points[0][0] - before[before.length - 1][0] < least) before.push(...points);
    else wide.push([...points]);
  }
  return wide;
}

/** The path of the area between a line and a base. */
export function areaPath(stretches, base) {
  return stretches
    .filter((points) => points.length > 1)
    .map((points) => {
      const path = points.map(([x, y]) => `${round(x)} ${round(y)}`).join("L");
      return `M${round(points[0][0])} ${round(base)}L${path}L${round(points[points.length - 1][0])} ${round(base)}Z`;
    })
    .join("");
}

/** The hatching of times without readings, once for the page. */
export function defineGap() {
  const holder = draw(document.body, "svg", { width: 0, height: 0, "aria-hidden": "true", class: "visually-hidden" });
  const pattern = draw(draw(holder, "defs"), "pattern", {
    id: "sensors-gap", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)",
  });
  draw(pattern, "line", { x1: 0, y1: 0, x2: 0, y2: 6, class: "plot-gap-line" });
}

/** An element's width in whole pixels. */
export function widthOf(element) {
  return Math.round(element.getBoundingClientRect().width);
}

/** Calls back with an element's width, soon and when it changes. */
export function onWidth(element, callback) {
  let known = 0;
  new ResizeObserver((entries) => {
    const width = Math.round(entries[0].contentRect.width);
    if (width > 0 && width !== known) callback((known = width));
  }).observe(element);
}
