"""Tests of server and page are collected only in the environment that has their tools."""

from importlib.util import find_spec

TOOLS = ("playwright", "websocket")  # of .comfyui/venv; see install.py
NEED_THEM = ["test_server.py", "test_pages.py", "test_as_shipped.py"]
collect_ignore = [] if all(map(find_spec, TOOLS)) else NEED_THEM
