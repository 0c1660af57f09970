// Compare Photos: the photo before and after, under a slider.

import { element } from "./dom.js";
import { fileUrl } from "./results.js";
import { slider } from "./slider.js";

export function photosWidget() {
  const root = element("div", {}, element("p", {}, "Run the graph to compare two photos here."));
  return {
    name: "compare",
    root,
    size: [340, 340],
    show({ before, after }) {
      root.replaceChildren(slider(fileUrl(before), fileUrl(after)));
    },
  };
}
