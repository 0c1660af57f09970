// Adds to the nodes of this pack what shows their results.

import { app } from "../../scripts/app.js";

import { attachResult, restoreFromHistory } from "./results.js";
import { photosWidget } from "./photos.js";
import { protectWidget } from "./protect.js";
import { scoresWidget } from "./scores.js";
import { videosWidget } from "./videos.js";

const WIDGETS = {
  SilencerProtectPortrait: protectWidget,
  SilencerComparePhotos: photosWidget,
  SilencerCompareVideos: videosWidget,
  SilencerScoreProtection: scoresWidget,
  SilencerScoreFrames: scoresWidget,
};

function addStyle() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./silencer.css", import.meta.url).href;
  document.head.append(link);
}

app.registerExtension({
  name: "silencer.widgets",

  setup() {
    addStyle();
  },

  nodeCreated(node) {
    const widget = WIDGETS[node.comfyClass];
    if (widget) attachResult(node, widget(node));
  },

  async afterConfigureGraph() {
    await restoreFromHistory();
  },
});
