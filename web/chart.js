// Lines over a horizontal axis, as SVG.

import { drawn, element, number } from "./dom.js";

const WIDTH = 480;
const HEIGHT = 170;
const EDGE = { left: 40, right: 18, top: 8, bottom: 24 };

/**
 * Draw lines.
 *
 * @param lines [{name, points: [[x, y]...], look}]; look is a class of silencer.css: "asked" is
 *   drawn as an area, the others as lines that differ in colour and in dashes.
 * @param axis {label, unit, from, to}: of x; its limits come from the points if not given.
 * @param title what the drawing shows, for those who hear the page.
 * @returns a figure with the drawing and its key.
 */
export function chart(lines, axis, title) {
  const drawable = lines.filter((line) => line.points.length);
  const all = drawable.flatMap((line) => line.points);
  const xs = all.map(([x]) => x);
  const ys = all.map(([, y]) => y);
  const from = axis.from ?? Math.min(...xs);
  const to = Math.max(axis.to ?? Math.max(...xs), from + 1e-9);
  const low = Math.min(0, ...ys);
  const high = Math.max(...ys, low + 1e-9);
  const right = WIDTH - EDGE.right;
  const bottom = HEIGHT - EDGE.bottom;
  const placeX = (x) => EDGE.left + ((x - from) / (to - from)) * (right - EDGE.left);
  const placeY = (y) => bottom - ((y - low) / (high - low)) * (bottom - EDGE.top);
  const path = (points) => points.map(([x, y]) => `${round(placeX(x))},${round(placeY(y))}`);

  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const value of [low, (low + high) / 2, high]) {
    const y = placeY(value);
    svg.append(
      drawn("line", { class: "rule", x1: EDGE.left, x2: right, y1: y, y2: y }),
      drawn("text", { x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, short(value)),
    );
  }
  for (const value of ticks(from, to)) {
    const text = `${short(value)}${axis.unit ?? ""}`;
    svg.append(drawn("text", { x: placeX(value), y: HEIGHT - 6, "text-anchor": "middle" }, text));
  }
  for (const { points, look } of drawable) {
    const spots = path(points);
    if (look === "asked") {
      const area = [`${EDGE.left},${placeY(0)}`, ...spots, `${placeX(points.at(-1)[0])},${placeY(0)}`];
      svg.append(drawn("polygon", { class: `line ${look}`, points: area.join(" ") }));
    } else {
      svg.append(drawn("polyline", { class: `line ${look}`, points: spots.join(" ") }));
    }
  }
  return element("figure", { class: "chart" }, svg, key(drawable, axis.label));
}

function key(lines, label) {
  const entries = lines.map(({ name, look }) => {
    const shape =
      look === "asked"
        ? drawn("rect", { class: `line ${look}`, x: 1, y: 1, width: 20, height: 8 })
        : drawn("line", { class: `line ${look}`, x1: 0, y1: 5, x2: 22, y2: 5 });
    const mark = drawn("svg", { viewBox: "0 0 22 10", class: "mark", "aria-hidden": "true" }, shape);
    return element("span", {}, mark, name);
  });
  return element("figcaption", {}, ...entries, element("span", { class: "axis" }, label));
}

function ticks(from, to) {
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.ceil(from / step - 1e-9) * step;
  const count = Math.floor((to - first) / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => first + index * step);
}

function short(value) {
  if (Math.abs(value) < 1e-9) return "0";
  if (Math.abs(value) < 0.001) return value.toExponential(0);
  return number(value, 3).replace(/\.?0+$/, "");
}

function round(value) {
  return Math.round(value * 10) / 10;
}
