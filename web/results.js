// A node's result on the page: where it comes from, where it is kept, where it is drawn.
//
// Nodes of this pack send one object under the key "silencer". The page hands it over after a run,
// also after a cached one, but not after a reload. So it is kept in the node's properties, which a
// workflow saves, and looked up in the server's history, which knows runs the workflow has missed.

import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const KEY = "silencer";
const RUNS_LOOKED_AT = 20;

const shownBy = new WeakMap(); // node -> function that draws a result

/**
 * Put a widget into a node and let it draw the node's results.
 *
 * @param node of the graph.
 * @param widget {name, root: HTMLElement, size: [width, height] at least, show: function(result)}.
 */
export function attachResult(node, { name, root, size, show }) {
  root.classList.add("silencer");
  root.style.minHeight = `${size[1]}px`;
  const widget = node.addDOMWidget(name, "silencer", root, {
    serialize: false, // not an input
    hideOnZoom: false,
    getMinHeight: () => size[1],
  });
  widget.serialize = false; // not a saved value either
  node.setSize([Math.max(node.size[0], size[0]), Math.max(node.size[1], node.computeSize()[1])]);
  shownBy.set(node, show);

  const executed = node.onExecuted;
  node.onExecuted = function (output) {
    executed?.apply(this, arguments);
    const result = output?.[KEY]?.[0];
    if (result) keep(this, result);
  };

  const configured = node.onConfigure;
  node.onConfigure = function () {
    configured?.apply(this, arguments);
    if (this.properties?.[KEY]) show(this.properties[KEY]);
  };
}

function keep(node, result) {
  node.properties[KEY] = result;
  shownBy.get(node)(result);
}

/** Show the newest result that the server remembers of each node of the open workflow. */
export async function restoreFromHistory() {
  const nodes = app.graph.nodes.filter((node) => shownBy.has(node));
  if (!nodes.length) return;
  const answer = await api.fetchApi(`/history?max_items=${RUNS_LOOKED_AT}`);
  if (!answer.ok) return;
  const runs = Object.values(await answer.json())
    .filter((run) => run.prompt?.[3]?.extra_pnginfo?.workflow?.id === app.graph.id)
    .reverse();
  for (const node of nodes) {
    const run = runs.find((run) => run.outputs?.[node.id]?.[KEY]);
    if (run) keep(node, run.outputs[node.id][KEY][0]);
  }
}

/** Address of a file that a node left. */
export function fileUrl({ filename, subfolder = "", type = "temp" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}
