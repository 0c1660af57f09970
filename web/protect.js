// Protect Portrait: how the protection goes while it runs, and what came out.

import { api } from "../../scripts/api.js";

import { chart } from "./chart.js";
import { duration, element, number } from "./dom.js";
import { fileUrl } from "./results.js";
import { slider } from "./slider.js";

const LIVE = "silencer.protect";

export function protectWidget(node) {
  const panel = new Panel();
  const listeners = {
    [LIVE]: ({ detail }) => isAt(node, detail.node) && panel.step(detail),
    execution_interrupted: () => panel.end("Cancelled"),
    execution_error: () => panel.end("Ended with an error"),
  };
  for (const [name, listener] of Object.entries(listeners)) api.addEventListener(name, listener);
  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    for (const [name, listener] of Object.entries(listeners)) api.removeEventListener(name, listener);
  };
  return { name: "protection", root: panel.root, size: [380, 430], show: (result) => panel.show(result) };
}

/** Whether an id of the running graph, "7" or inside a subgraph "3:7", is this node's. */
function isAt(node, id) {
  return String(id).split(":").at(-1) === String(node.id);
}

class Panel {
  constructor() {
    this.history = [];
    this.running = false;
    this.status = element("p", { class: "status", role: "status" }, "Run the graph to see its progress here.");
    this.bar = element("progress", { max: 1, value: 0, "aria-label": "Steps done" });
    this.figures = element("dl", {});
    this.plot = element("div", {});
    this.pictures = element("div", { class: "pair" });
    this.root = element("div", { class: "panel" }, this.status, this.bar, this.figures, this.plot, this.pictures);
    this.bar.hidden = true;
  }

  /** A step of a running protection. */
  step(said) {
    const last = this.history.at(-1)?.step ?? 0;
    if (!this.running || said.step < last) {
      this.history = [];
      this.pictures.replaceChildren();
      this.live = null;
    }
    this.running = true;
    this.history.push({ step: said.step, loss: said.loss, validation: said.validation });
    this.steps = said.steps;
    this.bar.hidden = false;
    this.bar.max = said.steps;
    this.bar.value = said.step;
    const left = said.step < said.steps ? `, about ${duration(said.seconds_left)} left` : "";
    this.status.textContent = `Step ${said.step} of ${said.steps}${left}`;
    this.list({ remaining: said.remaining, psnr: said.psnr, loss: said.loss });
    this.draw();
    if (said.photo) this.preview(said);
  }

  preview({ photo, change }) {
    if (!this.live) {
      this.live = { photo: element("img", { alt: "the photo so far" }), change: element("img", { alt: "the change so far, amplified" }) };
      this.pictures.replaceChildren(captioned(this.live.photo, "so far"), captioned(this.live.change, "change, amplified"));
    }
    this.live.photo.src = photo;
    if (change) this.live.change.src = change;
  }

  /** The run stopped without a result. */
  end(why) {
    if (!this.running) return;
    this.running = false;
    this.status.textContent = `${why} at step ${this.history.at(-1).step} of ${this.steps}.`;
  }

  /** What came out. */
  show(result) {
    this.running = false;
    this.history = result.history ?? [];
    this.steps = undefined;
    this.bar.hidden = true;
    const steps = result.steps ?? this.history.at(-1)?.step;
    const took = `${steps} steps in ${duration(result.seconds)}`;
    this.status.textContent = result.verdict ? `${result.verdict} (${took})` : `Done: ${took}.`;
    this.list({ remaining: result.remaining, psnr: result.psnr, ssim: result.ssim });
    this.draw();
    this.pictures.replaceChildren();
    if (result.before && result.after) {
      this.pictures.append(captioned(slider(fileUrl(result.before), fileUrl(result.after)), "before and after"));
    }
    if (result.change) {
      const image = element("img", { src: fileUrl(result.change), alt: "the change, amplified" });
      image.addEventListener("error", () => image.remove());
      this.pictures.append(captioned(image, "change, amplified"));
    }
  }

  list({ remaining, psnr, ssim, loss }) {
    const entries = [
      ["audio influence left", Number.isFinite(remaining) && `${Math.round(remaining * 100)} %`],
      ["PSNR", Number.isFinite(psnr) && `${number(psnr, 1)} dB`],
      ["SSIM", Number.isFinite(ssim) && number(ssim, 3)],
      ["loss", Number.isFinite(loss) && loss.toPrecision(3)],
    ].filter(([, value]) => value);
    this.figures.replaceChildren(
      ...entries.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
    );
  }

  draw() {
    const points = (name) =>
      this.history.filter((one) => Number.isFinite(one[name])).map((one) => [one.step, one[name]]);
    const lines = [
      { name: "loss of each step", look: "loss", points: points("loss") },
      { name: "best on fixed draws", look: "validation", points: points("validation") },
    ];
    if (!lines.some((line) => line.points.length > 1)) return this.plot.replaceChildren();
    this.plot.replaceChildren(chart(lines, { label: "steps", from: 0, to: this.steps }, "Loss over steps"));
  }
}

function captioned(content, text) {
  return element("figure", {}, content, element("figcaption", {}, text));
}
