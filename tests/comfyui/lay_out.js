// Lay out a graph: nodes stand in columns, each as high as it wants to be; links go by name.
({ id, columns, links }) => {
  const { app, LiteGraph } = window;
  const GAP = 60;
  const TITLE = 40;
  const BETWEEN = 110;
  const WIDTH = 240;

  app.graph.clear();
  app.graph.id = id;
  const made = {};
  let x = 0;
  let number = 0;

  function place({ name, type, label, widgets, size, muted }, y) {
    const node = LiteGraph.createNode(type);
    if (!node) throw new Error(`no such node: ${type}`);
    node.id = ++number;
    app.graph.add(node);
    if (label) node.title = label;
    if (muted) node.mode = LiteGraph.NEVER;
    for (const [key, value] of Object.entries(widgets)) {
      const widget = node.widgets.find((one) => one.name === key);
      if (!widget) throw new Error(`${type} has no widget ${key}`);
      widget.value = value;
    }
    const [width, height] = node.computeSize();
    const least = size ?? [0, 0];
    node.setSize([Math.max(width, node.size[0], least[0], WIDTH), Math.max(height, least[1])]);
    node.pos = [x, y];
    made[name] = node;
    return node;
  }

  for (const { title, nodes } of columns) {
    let y = 0;
    const placed = [];
    for (const wanted of nodes) {
      const node = place(wanted, y);
      y += node.size[1] + GAP + TITLE;
      placed.push(node);
    }
    const width = Math.max(...placed.map((node) => node.size[0]));
    for (const node of placed) node.setSize([width, node.size[1]]);
    const group = new LiteGraph.LGraphGroup(title);
    group.pos = [x - 20, -110];
    group.size = [width + 40, y + 60];
    app.graph.add(group);
    x += width + BETWEEN;
  }

  for (const [from, output, to, input] of links) {
    const slot = made[from].outputs.findIndex(({ name, label }) => [name, label].includes(output));
    const target = made[to].inputs.findIndex(({ name }) => name === input);
    const link = slot >= 0 && target >= 0 && made[from].connect(slot, made[to], target);
    if (!link) throw new Error(`cannot link ${from}.${output} to ${to}.${input}`);
  }
  const bottom = Math.max(...app.graph.nodes.map((node) => node.pos[1] + node.size[1]));
  const scale = Math.min(1, 1450 / x, 860 / (bottom + 130));
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [90 / scale, 90 / scale + 130];
  app.canvas.setDirty(true, true);
}
