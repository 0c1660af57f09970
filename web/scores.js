// Score Protection and Score Frames: the verdict, lips against audio, what clean-ups and guidance leave, figures.

import { chart } from "./chart.js";
import { element, number } from "./dom.js";

const LINES = [
  ["asked", "asked for by the audio"],
  ["unprotected", "unprotected"],
  ["protected", "protected"],
  ["control", "random noise"],
];

export function scoresWidget() {
  const root = element("div", { tabindex: 0, role: "region", "aria-label": "Scores" }, element("p", {}, "Run the graph to see the scores here."));
  return {
    name: "scores",
    root,
    size: [480, 560],
    show(result) {
      root.replaceChildren(
        ...[
          verdict(result.verdict),
          result.plot && lips(result.plot),
          result.grid?.rows?.length && grid(result.grid),
          result.figures?.length && figures(result.figures),
          result.notes?.length && notes(result.notes),
        ].filter(Boolean),
      );
    },
  };
}

function verdict(words) {
  return element("p", { class: `verdict ${slug(words)}` }, `Verdict: ${words}`);
}

function lips(plot) {
  const lines = LINES.filter(([name]) => plot[name]?.length).map(([look, name]) => ({
    name,
    look,
    points: plot[look].map((value, frame) => [plot.times[frame], value]).filter(([, y]) => y != null),
  }));
  const title = "How far the mouth opens over time, and how far the audio asks it to";
  return section("Mouth opening", chart(lines, { label: "seconds", unit: " s" }, title));
}

/** Rows are clean-ups, columns the attacker's guidance, cells protected / unprotected. */
function grid({ rows, columns, cells }) {
  const head = element("tr", {}, element("th", { scope: "col" }, "clean-up"), ...columns.map((name) => element("th", { scope: "col" }, name)));
  const body = rows.map((name, row) =>
    element("tr", {}, element("th", { scope: "row" }, name), ...cells[row].map(cell)),
  );
  const note = element(
    "p",
    { class: "note" },
    "How much of the audio's influence is left: 0 ignores the audio, 1 follows it as if unprotected. Columns: the attacker's guidance.",
  );
  return section("Robustness", element("table", { class: "robustness" }, element("thead", {}, head), element("tbody", {}, ...body)), note);
}

function cell(one) {
  if (!one || !Number.isFinite(one.value)) return element("td", {}, "–");
  const share = Math.min(1, Math.max(0, one.value));
  const look = { class: `cell ${slug(one.verdict)}`, style: `--share: ${share}` };
  return element("td", look, number(one.value), one.verdict && element("small", {}, one.verdict));
}

function figures(list) {
  const rows = list.map(({ name, value, direction, meaning }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", title: meaning }, name),
      element("td", {}, typeof value === "number" ? number(value, 3) : (value ?? "–")),
      element("td", { class: "meaning" }, [direction && `${direction} is better`, meaning].filter(Boolean).join("; ")),
    ),
  );
  return section("Figures", element("table", { class: "figures" }, element("tbody", {}, ...rows)));
}

function notes(lines) {
  return section("Notes", element("ul", {}, ...lines.map((line) => element("li", {}, line))));
}

function section(title, ...content) {
  return element("section", {}, element("h4", {}, title), ...content);
}

function slug(words = "") {
  return words.replaceAll(" ", "-");
}
