"""ComfyUI's page in a headless Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from server import Server

SIZE = {"width": 1600, "height": 1000}
OURS = "link[href*='silencer.css']"  # put there by the pack's own set-up
LOADED_MS = 180_000
# A fresh user is greeted by dialogs, which would cover the graph.
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.ShowMissingNodesWarning": True}

# Take {kind of node: {widget: value}}.
SET_WIDGETS = """kinds => {
  for (const node of window.app.graph.nodes)
    for (const [name, value] of Object.entries(kinds[node.type] ?? {})) {
      const widget = node.widgets.find(one => one.name === name);
      if (widget) widget.value = value;
    }
}"""

# The same as small.fewer does to prompts: sharpen what is scored as protected.
SHARPEN = """() => {
  const { app, LiteGraph } = window;
  for (const score of app.graph.nodes.filter(one => one.type === 'SilencerScoreProtection')) {
    const slot = score.inputs.findIndex(one => one.name === 'after');
    const source = score.getInputNode(slot);
    const link = score.getInputLink(slot);
    const sharpen = LiteGraph.createNode('ImageSharpen');
    app.graph.add(sharpen);
    source.connect(link.origin_slot, sharpen, 0);
    sharpen.connect(0, score, slot);
  }
}"""

FIT = """() => {
  const { app } = window;
  const right = Math.max(...app.graph.nodes.map(node => node.pos[0] + node.size[0]));
  const bottom = Math.max(...app.graph.nodes.map(node => node.pos[1] + node.size[1]));
  const scale = Math.min(1, 1450 / right, 860 / (bottom + 130));
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [90 / scale, 90 / scale + 130];
  app.canvas.setDirty(true, true);
}"""


def chromium() -> str | None:
    """The browser, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser, closed at the end."""
    with sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        yield started
        started.close()


class Graph:
    """The page of a server, with what its console said.

    Attributes:
        page: of Playwright.
        said: errors in the console, and exceptions nobody caught.
    """

    def __init__(self, browser: Browser, server: Server, size: dict[str, int] = SIZE) -> None:
        self.context = browser.new_context(viewport=size)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.said.append(f"exception: {error}"))
        self.page.goto(server.url, timeout=LOADED_MS)
        self.ready()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.said.append(f"{message.text} [{message.location.get('url', '')}]")

    def ready(self) -> None:
        """Wait for the application and for the pack's own part of it."""
        self.page.wait_for_selector(OURS, state="attached", timeout=LOADED_MS)
        self.page.wait_for_function("() => window.app?.graph && window.app.canvas")
        self.page.wait_for_timeout(500)
        self.page.keyboard.press("Escape")

    def reload(self) -> None:
        """As a user does with F5."""
        self.page.reload(timeout=LOADED_MS)
        self.ready()
        self.fit()

    def do(self, script: str, argument: Any = None) -> Any:
        """Run a function in the page."""
        return self.page.evaluate(script, argument)

    def open(self, workflow: dict[str, Any]) -> None:
        """Load a workflow as a file dropped on the page is."""
        self.do("workflow => window.app.loadGraphData(workflow)", workflow)
        self.page.wait_for_timeout(500)
        self.fit()

    def fit(self) -> None:
        """Show the whole graph; what is out of sight has no widgets on the page."""
        self.do(FIT)
        self.page.wait_for_timeout(500)

    def prompt(self) -> dict[str, Any]:
        """The open workflow in API form, as the front end itself makes it."""
        return self._made("output")

    def workflow(self) -> dict[str, Any]:
        """The open workflow as the front end saves it."""
        return self._made("workflow")

    def _made(self, part: str) -> dict[str, Any]:
        script = "async part => JSON.stringify((await window.app.graphToPrompt())[part])"
        return json.loads(self.do(script, part))

    def queue(self) -> None:
        """Press Run, and wait until the server has it."""
        self.do("() => window.app.queuePrompt(0, 1)")
        self.page.wait_for_timeout(2000)

    def idle(self, seconds: float = 300) -> None:
        """Wait until nothing runs and nothing waits."""
        self.page.wait_for_function(
            "async () => { const queue = await (await window.app.api.fetchApi('/queue')).json();"
            " return !queue.queue_running.length && !queue.queue_pending.length; }",
            timeout=seconds * 1000,
            polling=500,
        )
        self.page.wait_for_timeout(300)

    def ours(self) -> list[str]:
        """Errors in the pack's files; for help the page first asks for a translation."""
        files = [line for line in self.said if "extensions/silencer" in line]
        return [line for line in files if "/docs/" not in line]

    def picture(self, path: Path) -> None:
        """A screenshot."""
        self.page.screenshot(path=path)

    def close(self) -> None:
        """Forget the page and everything it stored."""
        self.context.close()
