"""Saved workflows are a promise: what was saved with a release opens and means the same later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from convert import CONTROL, widget_values
from executor import Executor
from install import PACK

SHIPPED = sorted((PACK / "workflows").glob("*.json"))
# As they were shipped with each release; never to be changed, only added to.
RELEASED = sorted(Path(__file__).with_name("released").glob("*/*.json"))


def _name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.fixture(scope="module")
def schemas(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """Of the pack's own nodes, as ComfyUI's executor has them."""
    executor = Executor(tmp_path_factory.mktemp("schemas"))
    yield executor.ask("schemas")
    executor.close()


def test_there_are_workflows():
    assert len(SHIPPED) >= 5 and len(RELEASED) >= 5


@pytest.mark.parametrize("path", SHIPPED + RELEASED, ids=_name)
def test_workflow_fits_the_nodes(path, schemas):
    workflow = json.loads(path.read_text())
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link[0]: link for link in workflow["links"]}
    for node in nodes.values():
        if not node["type"].startswith("Silencer"):
            continue
        assert node["type"] in schemas, f"there is no node {node['type']} any more"
        schema = schemas[node["type"]]
        inputs = schema["input"].get("required", {}) | schema["input"].get("optional", {})
        for name, value in widget_values(node, schema).items():
            _check_value(node["type"], name, inputs[name], value)
        for place, output in enumerate(node["outputs"]):
            assert schema["output"][place] == output["type"], f"{node['type']} output {place}"
        for socket in node["inputs"]:
            assert socket["name"] in inputs, f"{node['type']} has no input {socket['name']}"
            if socket.get("link") is not None:
                _, source, slot, *_ = links[socket["link"]]
                given = nodes[source]["outputs"][slot]["type"]
                taken = inputs[socket["name"]][0].split(",")
                assert given in taken, f"{node['type']}.{socket['name']} takes no {given}"


def _check_value(kind: str, name: str, declared: list[Any], value: Any) -> None:
    type_, options = declared[0], declared[1] if len(declared) > 1 else {}
    where = f"{kind}.{name} = {value!r}"
    choices = type_ if isinstance(type_, list) else options.get("options")
    if choices:
        assert value in choices, where
    elif type_ in ("INT", "FLOAT"):
        assert options.get("min", value) <= value <= options.get("max", value), where
    elif type_ == "BOOLEAN":
        assert isinstance(value, bool), where
    else:
        assert isinstance(value, str), where
    assert value not in CONTROL, where  # a value that slid from its place


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_workflow_is_complete(path):
    workflow = json.loads(path.read_text())
    assert [node for node in workflow["nodes"] if node["type"] == "MarkdownNote"]
    assert path.with_suffix(".jpg").is_file()
    assert not [node for node in workflow["nodes"] if "silencer" in node.get("properties", {})]
    for node in workflow["nodes"]:
        assert "randomize" not in (node.get("widgets_values") or []), node["type"]
