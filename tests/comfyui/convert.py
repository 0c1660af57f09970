"""From a workflow as the page saves it to the prompt that the server runs."""

from __future__ import annotations

from typing import Any

ONLY_ON_THE_PAGE = {"MarkdownNote", "Note", "Reroute"}
MUTED = 2  # a node's mode
# What the page adds after a seed, and saves, but does not send.
CONTROL = {"fixed", "randomize", "increment", "decrement"}
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def to_prompt(workflow: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """What the page's own graphToPrompt makes of it.

    Args:
        workflow: litegraph's JSON, without subgraphs and bypassed nodes.
        schemas: of all nodes in it, as `/object_info` answers.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in ONLY_ON_THE_PAGE or node.get("mode") == MUTED:
            continue
        inputs = widget_values(node, schemas[node["type"]])
        for socket in node.get("inputs", []):
            if socket.get("link") is not None:
                inputs[socket["name"]] = sources[socket["link"]]
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def widget_values(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The saved values by the names of the inputs whose places they have.

    Optional inputs that came later than the graph was saved have their defaults.

    Raises:
        ValueError: more or fewer values than the node has widgets.
    """
    saved = list(node.get("widgets_values") or [])
    found = {}
    for name, kind, options in _inputs(schema):
        if not (isinstance(kind, list) or kind in WIDGETS) or options.get("forceInput"):
            continue
        if not saved and name in schema["input"].get("optional", {}):
            found[name] = options["default"]
            continue
        if not saved:
            raise ValueError(f"{node['type']}: nothing is saved for {name}")
        found[name] = saved.pop(0)
        if options.get("control_after_generate") and saved and saved[0] in CONTROL:
            saved.pop(0)
    if saved:
        raise ValueError(f"{node['type']}: {saved} belong to no input")
    return found


def _inputs(schema: dict[str, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    everything = schema["input"].get("required", {}) | schema["input"].get("optional", {})
    return [(name, one[0], one[1] if len(one) > 1 else {}) for name, one in everything.items()]
