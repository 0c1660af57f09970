"""Write the shipped workflows: lay out the graphs of `graphs.py` in the page and save them there.

    .comfyui/venv/bin/python tests/comfyui/compose.py [NAME ...]

The front end itself makes the nodes and saves them, so that what ships is what it would save. Ids
are kept as they are given, so that a workflow changes only where its description does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from graphs import GRAPHS
from install import PACK, front_end
from page import SETTINGS, Graph, browser
from server import Server

WORKFLOWS = PACK / "workflows"
LAY_OUT = Path(__file__).with_name("lay_out.js").read_text()


def save(graph: Graph, name: str) -> dict[str, Any]:
    """Lay a graph out in the page; the workflow as the front end saves it."""
    graph.do(LAY_OUT, GRAPHS[name])
    graph.page.wait_for_timeout(300)
    return graph.workflow()


def main() -> None:
    """Write those that are named, or all."""
    names = sys.argv[1:] or list(GRAPHS)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        server = Server(Path(folder), front_end("newest"), SETTINGS).wait()
        try:
            graph = Graph(chromium, server)
            for name in names:
                text = json.dumps(save(graph, name), indent=2, ensure_ascii=False)
                (WORKFLOWS / f"{name}.json").write_text(text + "\n")
                print(name)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
