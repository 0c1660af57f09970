// Two pictures on top of each other, with an edge between them that mouse, finger and keys move.

import { element, keepKeys } from "./dom.js";

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

/**
 * A before / after slider.
 *
 * @param before, after addresses of two pictures of one size.
 * @returns its element; the edge starts in the middle.
 */
export function slider(before, after) {
  const stage = element("div", { class: "stage" });
  const frame = element("div", { class: "frame slider" }, stage);
  const gone = () => frame.replaceChildren(element("p", {}, "The pictures of this run are gone. Run it again."));
  const under = element("img", { src: after, alt: "after", draggable: "false", error: gone });
  const over = element("img", { src: before, alt: "before", draggable: "false", class: "over", error: gone });
  under.addEventListener("load", () => {
    stage.style.setProperty("--ratio", under.naturalWidth / under.naturalHeight);
  });
  const edge = element("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    "aria-label": "How much of the photo before protection is shown, in percent from the left",
  });
  const move = () => stage.style.setProperty("--edge", `${edge.value}%`);
  edge.addEventListener("input", move);
  keepKeys(edge, KEYS);
  stage.append(
    under,
    over,
    element("span", { class: "tag left" }, "before"),
    element("span", { class: "tag right" }, "after"),
    element("span", { class: "edge", "aria-hidden": "true" }),
    edge,
  );
  move();
  return frame;
}
