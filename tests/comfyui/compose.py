"""Write the shipped workflows: lay out the graphs of `graphs.py` in the page and save them there.

    .comfyui/venv/bin/python tests/comfyui/compose.py [--thumbnails] [NAME ...]

The front end itself makes the nodes and saves them, so that what ships is what it would save. Ids
are kept as they are given, so that a workflow changes only where its description does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from graphs import GRAPHS
from install import PACK, front_end
from page import SET_WIDGETS, SETTINGS, Graph, browser
from PIL import Image
from server import Server
from small import FEW

WORKFLOWS = PACK / "workflows"
CLIP = {"x": 60, "y": 80, "width": 1500, "height": 900}  # the graph without the menus
THUMBNAIL = (750, 450)
LAY_OUT = Path(__file__).with_name("lay_out.js").read_text()


def save(graph: Graph, name: str) -> dict[str, Any]:
    """Lay a graph out in the page; the workflow as the front end saves it."""
    graph.do(LAY_OUT, GRAPHS[name])
    graph.page.wait_for_timeout(300)
    return graph.workflow()


def thumbnail(graph: Graph, path: Path) -> None:
    """Run the open workflow with few steps, and write a picture of it."""
    graph.do(SET_WIDGETS, FEW)
    graph.queue()
    graph.idle(1200)
    graph.page.wait_for_timeout(2000)
    with Image.open(BytesIO(graph.page.screenshot(clip=CLIP))) as picture:
        picture.convert("RGB").resize(THUMBNAIL, Image.Resampling.LANCZOS).save(path, quality=85)


def main() -> None:
    """Write those that are named, or all."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=list(GRAPHS), metavar="NAME")
    options.add_argument("--thumbnails", action="store_true", help="run them, and take pictures")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        server = Server(Path(folder), front_end("newest"), SETTINGS).wait()
        try:
            graph = Graph(chromium, server)
            for name in chosen.names:
                text = json.dumps(save(graph, name), indent=2, ensure_ascii=False)
                (WORKFLOWS / f"{name}.json").write_text(text + "\n")
                if chosen.thumbnails:
                    thumbnail(graph, WORKFLOWS / f"{name}.jpg")
                print(name)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
