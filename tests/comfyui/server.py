"""A real ComfyUI server of its own, with the pack in it, and a client that queues and listens."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import websocket
from install import PACK, comfyui_folder, comfyui_python

# What a user gets who clones the repository, less what only developers use.
LEFT_OUT = (".*", "tests", "benchmarks", "runs", "out", "build", "dist", "*.egg-info")
START_SECONDS = 120
LAST = ("execution_success", "execution_error", "execution_interrupted")


class Event(NamedTuple):
    """One message of the websocket, and when it came."""

    kind: str
    data: dict[str, Any]
    seconds: float


def install_pack(base: Path) -> Path:
    """Copy the pack into `base`/custom_nodes as a user's clone would lie there."""
    folder = base / "custom_nodes" / "silencer"
    leave_out = shutil.ignore_patterns("__pycache__")

    def ignored(where: str, names: list[str]) -> set[str]:
        top = LEFT_OUT if Path(where) == PACK else ()
        return set(leave_out(where, names)) | set(shutil.ignore_patterns(*top)(where, names))

    shutil.copytree(PACK, folder, ignore=ignored)
    return folder


class Server:
    """ComfyUI on a free port of this machine, with folders below `base` only.

    Args:
        base: an empty folder.
        front_end: static files of the page; by default a page that says nothing.
        settings: of the user interface, by their ids.
    """

    def __init__(
        self,
        base: Path,
        front_end: Path | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.base = base
        self.log = base / "log.txt"
        install_pack(base)
        user = base / "user" / "default"
        user.mkdir(parents=True)
        (user / "comfy.settings.json").write_text(json.dumps(settings or {}))
        if front_end is None:
            front_end = base / "page"
            front_end.mkdir()
            (front_end / "index.html").write_text("<!doctype html><title>none</title>")
        self.address = f"127.0.0.1:{_free_port()}"
        self._process = self._start(front_end)

    def _start(self, front_end: Path) -> subprocess.Popen[bytes]:
        command = [comfyui_python(), "main.py", "--cpu", "--listen", "127.0.0.1"]
        command += ["--port", self.address.split(":")[1], "--disable-auto-launch"]
        command += ["--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
        command += ["--base-directory", self.base, "--user-directory", self.base / "user"]
        command += ["--temp-directory", self.base, "--front-end-root", front_end]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [str(part) for part in command],
                cwd=comfyui_folder(),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONDONTWRITEBYTECODE": "1"},
            )

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://{self.address}"

    def wait(self) -> Server:
        """Until it answers; raises RuntimeError with its log if it does not."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.get("/system_stats")
                return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        raise RuntimeError(f"ComfyUI did not start:\n{self.said()[-4000:]}")

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        """What a path answers: JSON as values, anything else as bytes."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers["content-type"] else body

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON; what it answers, also where that is a refusal."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refusal:
            text = refusal.read()
        return json.loads(text) if text else None

    def view(self, file: dict[str, str]) -> bytes:
        """A file that a node left."""
        return self.get("/view?" + urllib.parse.urlencode(file))

    def run(
        self,
        prompt: dict[str, Any],
        seconds: float = 300,
        each: Callable[[Event], None] | None = None,
    ) -> Run:
        """Queue a prompt and listen to its end.

        Args:
            prompt: in API form.
            seconds: that it may take.
            each: called with every event as it comes.

        Raises:
            RuntimeError: it was refused, or it did not end in time.
        """
        client = uuid.uuid4().hex
        socket = websocket.create_connection(
            f"ws://{self.address}/ws?clientId={client}", timeout=seconds
        )
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if not answer or answer.get("error") or answer.get("node_errors"):
                raise RuntimeError(f"refused: {json.dumps(answer, indent=1)}")
            events = []
            for event in _events(socket, seconds):
                events.append(event)
                if each is not None:
                    each(event)
                if event.kind in LAST and event.data["prompt_id"] == answer["prompt_id"]:
                    return Run(answer["prompt_id"], events)
        finally:
            socket.close()
        raise RuntimeError(f"not ended in {seconds} s; log: {self.said()[-2000:]}")


class Run(NamedTuple):
    """A prompt that ended, and everything that was said about it."""

    id: str
    events: list[Event]

    @property
    def end(self) -> Event:
        """Its success, error or interruption."""
        return self.events[-1]

    def of(self, kind: str, node: str | None = None) -> list[dict[str, Any]]:
        """The data of all events of a kind, of one node or of all."""
        return [
            event.data
            for event in self.events
            if event.kind == kind and (node is None or str(event.data.get("node")) == node)
        ]

    def shown(self, node: str) -> dict[str, Any]:
        """What a node gives to the page under the pack's own key."""
        (executed,) = self.of("executed", node)
        (shown,) = executed["output"]["silencer"]
        return shown


def _events(socket: websocket.WebSocket, seconds: float) -> Iterator[Event]:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        message = socket.recv()
        now = time.monotonic() - began
        if isinstance(message, bytes):
            yield Event("preview", {"size": len(message), "head": _head(message)}, now)
        else:
            said = json.loads(message)
            yield Event(said["type"], said["data"], now)


def _head(message: bytes) -> str:
    return base64.b64encode(message[:64]).decode()


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]
