// Compare Attacks: two videos that play together, with the sound.

import { element, keepKeys, number } from "./dom.js";
import { fileUrl } from "./results.js";

const JUMP = 0.2; // seconds apart from which the second video jumps
const CLOSING = 4; // how much faster it plays per second that it is behind
const KEYS = [" ", "ArrowLeft", "ArrowRight", "Home", "End"];

export function videosWidget(node) {
  const root = element("div", {}, element("p", {}, "Run the graph to compare two videos here."));
  let player = null;
  const removed = node.onRemoved;
  node.onRemoved = function () {
    removed?.apply(this, arguments);
    player?.stop();
  };
  return {
    name: "compare",
    root,
    size: [420, 320],
    show(result) {
      player?.stop();
      player = new Player(result);
      root.replaceChildren(player.root);
    },
  };
}

/**
 * Two videos of one length. The first leads and sounds; the second is silent and keeps in step.
 */
class Player {
  constructor({ before, after, fps = 25, labels = ["unprotected", "protected"] }) {
    this.frame = 1 / fps;
    this.leader = this.video(before, labels[0]);
    this.follower = this.video(after, labels[1]);
    this.follower.muted = true;
    this.button = element("button", { type: "button", click: () => this.toggle() });
    this.sound = element("button", { type: "button", click: () => this.mute() });
    this.time = element("output", {});
    this.bar = element("input", {
      type: "range",
      min: 0,
      max: 1,
      step: this.frame,
      value: 0,
      "aria-label": "Time",
      input: () => this.seek(Number(this.bar.value)),
    });
    this.root = element(
      "div",
      { class: "player", tabindex: 0, role: "group", "aria-label": `${labels.join(" and ")}: space plays`, keydown: (event) => this.key(event) },
      element("div", { class: "pair" }, figure(this.leader, labels[0]), figure(this.follower, labels[1])),
      element("div", { class: "bar" }, this.button, this.bar, this.time, this.sound),
    );
    keepKeys(this.root, KEYS);
    this.follow();
    this.say();
  }

  video(file, label) {
    const gone = () => this.root.replaceChildren(element("p", {}, "The videos of this run are gone. Run it again."));
    const video = element("video", {
      src: fileUrl(file), preload: "auto", playsinline: true, loop: false, "aria-label": label, tabindex: -1, error: gone,
      click: () => this.toggle(),
    });
    return video;
  }

  /** Listen to the leader. */
  follow() {
    const { leader, follower } = this;
    leader.addEventListener("loadedmetadata", () => {
      this.bar.max = leader.duration;
      this.say();
    });
    for (const name of ["play", "pause", "volumechange"]) leader.addEventListener(name, () => this.say());
    leader.addEventListener("ended", () => {
      follower.pause();
      this.seek(leader.duration);
    });
    const step = () => {
      this.align();
      this.say();
      if (!leader.paused) this.pending = requestAnimationFrame(step);
    };
    leader.addEventListener("playing", step);
    leader.addEventListener("waiting", () => follower.pause());
    leader.addEventListener("playing", () => follower.play());
  }

  /** Small gaps are closed by playing a little faster or slower, large ones by a jump. */
  align() {
    const { leader, follower } = this;
    const gap = leader.currentTime - follower.currentTime;
    if (Math.abs(gap) > JUMP && !follower.seeking) follower.currentTime = leader.currentTime;
    follower.playbackRate = Math.min(1.5, Math.max(0.5, 1 + CLOSING * gap));
  }

  async toggle() {
    const { leader, follower } = this;
    if (!leader.paused) {
      leader.pause();
      follower.pause();
      this.seek(leader.currentTime);
      return;
    }
    if (leader.ended || leader.currentTime >= leader.duration) this.seek(0);
    await Promise.all([leader.play(), follower.play()]).catch(() => {}); // stopped meanwhile
  }

  seek(seconds) {
    const time = Math.min(Math.max(0, seconds), this.leader.duration || 0);
    this.leader.currentTime = time;
    this.follower.currentTime = time;
    this.say();
  }

  mute() {
    this.leader.muted = !this.leader.muted;
  }

  key(event) {
    const onBar = event.target === this.bar;
    if (event.key === " " && event.target.tagName !== "BUTTON") this.toggle();
    else if (event.key === "ArrowLeft" && !onBar) this.seek(this.leader.currentTime - this.frame);
    else if (event.key === "ArrowRight" && !onBar) this.seek(this.leader.currentTime + this.frame);
    else if (event.key === "Home" && !onBar) this.seek(0);
    else if (event.key === "End" && !onBar) this.seek(this.leader.duration);
    else return;
    event.preventDefault();
  }

  say() {
    const { leader } = this;
    this.button.textContent = leader.paused ? "Play" : "Pause";
    this.sound.textContent = leader.muted ? "Sound on" : "Sound off";
    this.bar.value = leader.currentTime;
    this.time.textContent = `${number(leader.currentTime, 1)} / ${number(leader.duration, 1)} s`;
  }

  stop() {
    cancelAnimationFrame(this.pending);
    this.leader.pause();
    this.follower.pause();
  }
}

function figure(video, label) {
  return element("figure", {}, video, element("figcaption", {}, label));
}
