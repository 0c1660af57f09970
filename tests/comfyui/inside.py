"""Runs within ComfyUI's interpreter: its real executor without a server, told what to do by lines.

    python inside.py PACK BASE       (in ComfyUI's folder, on `PYTHONPATH`)

Each line of standard input is a JSON object, each answered by one of standard output; see
`executor.py`, which starts this.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

PACK, BASE = (Path(argument) for argument in sys.argv[1:3])
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what ComfyUI prints is no answer
sys.argv[1:] = ["--cpu", "--base-directory", str(BASE), "--temp-directory", str(BASE)]
sys.argv += ["--front-end-root", str(BASE), "--database-url", "sqlite:///:memory:"]
sys.path.insert(0, str(Path.cwd()))

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import utils.install_util  # noqa: E402, F401  (another `utils` comes with what follows)

# isort: split
import comfy.model_management as memory  # noqa: E402
import comfy.utils  # noqa: E402
import execution  # noqa: E402
import folder_paths  # noqa: E402
import server  # noqa: E402
import torch  # noqa: E402
from comfy_execution.utils import get_executing_context  # noqa: E402

import nodes  # noqa: E402

EXTRAS = (
    "nodes_images.py",
    "nodes_audio.py",
    "nodes_video.py",
    "nodes_mask.py",
    "nodes_preview_any.py",
)


class Tensor:
    """Gives a tensor from a file, as made by a node: an inference tensor."""

    RETURN_TYPES = ("IMAGE", "MASK", "AUDIO")
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"path": ("STRING", {})}}

    def run(self, path: str):
        kept = torch.load(path, weights_only=True).clone()
        return kept, kept, {"waveform": kept, "sample_rate": 22_050}


class Keep:
    """Writes whatever tensor it is given to a file, and says what it was."""

    RETURN_TYPES, OUTPUT_NODE, FUNCTION = (), True, "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"it": ("*", {}), "path": ("STRING", {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types) -> bool:
        return True

    def run(self, it: Any, path: str):
        kept = it["waveform"] if isinstance(it, dict) and "waveform" in it else it
        if isinstance(kept, torch.Tensor):
            torch.save(kept.clone(), path)
        else:
            Path(path).write_text(json.dumps(kept, default=str))
        return {"ui": {"kept": [type(it).__name__]}}


class Recorder:
    """Stands in for the server: keeps what is sent, and cancels when asked to."""

    def __init__(self) -> None:
        self.client_id, self.last_node_id, self.last_prompt_id = "test", None, None
        self.sockets_metadata: dict[str, Any] = {}
        self.cancel: dict[str, Any] | None = None
        self.forget()

    def forget(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.asked_to_stop: float | None = None

    def send_sync(self, event: Any, data: Any, sid: str | None = None) -> None:
        if isinstance(event, str):
            self.events.append((event, data))
            json.dumps(data, allow_nan=False)  # what cannot be said so kills the real server
        wanted = self.cancel if event == "progress" else None
        if wanted and data["node"] == wanted["node"] and data["value"] >= wanted["value"]:
            self.cancel = None
            threading.Timer(0.2, self._stop).start()

    def _stop(self) -> None:
        self.asked_to_stop = time.process_time()
        memory.interrupt_current_processing()


def progress(value: float, total: float, preview: Any, prompt_id=None, node_id=None) -> None:
    """As main.py does it."""
    memory.throw_exception_if_processing_interrupted()
    context = get_executing_context()
    node = node_id or (context and context.node_id)
    shown = None if preview is None else [preview[0], *preview[1].size]
    RECORDER.send_sync("progress", {"value": value, "max": total, "node": node, "preview": shown})


def run(prompt: dict[str, Any], cancel: dict[str, Any] | None = None) -> dict[str, Any]:
    """Validates and executes a prompt, and says how it went."""
    valid, error, outputs, node_errors = asyncio.run(execution.validate_prompt("p", prompt, None))
    if not valid:
        return {"status": "invalid", "error": error, "node_errors": node_errors}
    RECORDER.forget()
    RECORDER.cancel = cancel
    EXECUTOR.execute(prompt, "p", {"client_id": "test"}, outputs)
    ended = time.process_time()  # work, not waiting: tests share their machine
    messages = dict(EXECUTOR.status_messages)
    status = next(name for name in messages if name not in ("execution_start", "execution_cached"))
    return {
        "status": status.removeprefix("execution_"),
        "message": messages[status].get("exception_message"),
        "traceback": messages[status].get("traceback"),
        "node": messages[status].get("node_id"),
        "cached": messages["execution_cached"]["nodes"],
        "ui": EXECUTOR.history_result["outputs"],
        "events": RECORDER.events,
        "seconds_to_stop": RECORDER.asked_to_stop and ended - RECORDER.asked_to_stop,
    }


def schemas() -> dict[str, Any]:
    """What the server tells the page of every node of the pack."""
    return {
        name: node.GET_NODE_INFO_V1()
        for name, node in nodes.NODE_CLASS_MAPPINGS.items()
        if name.startswith("Silencer")
    }


def free(reset: bool = False) -> dict[str, Any]:
    """What /free does; how many models are registered, and how many networks are alive."""
    registered = len(memory.current_loaded_models)
    memory.unload_all_models()
    if reset:
        EXECUTOR.reset()
    gc.collect()
    alive = sum(type(thing).__name__ == "HalloNet" for thing in gc.get_objects())
    return {"was": registered, "registered": len(memory.current_loaded_models), "alive": alive}


def moved() -> dict[str, bool]:
    """What becomes of weights that the host moves in inference mode, and of them when woken."""
    models = sys.modules[str(PACK).replace(".", "_x_") + ".nodes.models"]
    with torch.inference_mode(False):
        generator = models.LoadedGenerator("tiny", dtype="float32")
    with torch.inference_mode():
        generator.patcher.model.to(torch.float64).to(torch.float32)
    weights = generator.hallo.net.state_dict(keep_vars=True)
    asleep = all(one.is_inference() for one in weights.values())
    with torch.inference_mode(False):
        hallo = generator.ready()
        image = torch.zeros(1, 3, hallo.config.size, hallo.config.size, requires_grad=True)
        latent = hallo.encode(image)
        hallo.reference_features(latent, hallo.net.imageproj(torch.zeros(1, 512)))
        latent.sum().backward()
    return {"asleep": asleep, "gradient": bool(image.grad.any())}


def without(package: str) -> dict[str, Any]:
    """The nodes that the pack gives where a package is not installed."""
    found, pack = importlib.util.find_spec, sys.modules[str(PACK).replace(".", "_x_")]
    importlib.util.find_spec = lambda name: None if name == package else found(name)
    try:
        extension = asyncio.run(pack.comfy_entrypoint())
    finally:
        importlib.util.find_spec = found
    given = asyncio.run(extension.get_node_list())
    return {
        "nodes": [one.GET_SCHEMA().node_id for one in given],
        "message": given[0].GET_SCHEMA().description,
    }


async def begin() -> None:
    """Loads the nodes as main.py does."""
    server.PromptServer(asyncio.get_running_loop())
    for name in EXTRAS:
        path = str(Path(nodes.__file__).parent / "comfy_extras" / name)
        await nodes.load_custom_node(path, module_parent="comfy_extras")
    before, began = set(sys.modules), time.process_time()
    loaded = await nodes.load_custom_node(str(PACK))
    answer(
        {
            "loaded": loaded,
            "seconds": time.process_time() - began,
            "imported": sorted({name.split(".")[0] for name in set(sys.modules) - before}),
        }
    )


def answer(value: Any) -> None:
    """One line."""
    ANSWERS.write(json.dumps(value, default=str) + "\n")
    ANSWERS.flush()


nodes.NODE_CLASS_MAPPINGS |= {"TestTensor": Tensor, "TestKeep": Keep}
folder_paths.set_output_directory(str(BASE / "output"))
folder_paths.set_input_directory(str(BASE / "input"))
RECORDER = Recorder()
asyncio.run(begin())
server.PromptServer.instance = RECORDER
comfy.utils.set_progress_bar_global_hook(progress)
EXECUTOR = execution.PromptExecutor(
    RECORDER, cache_type=execution.CacheType.CLASSIC, cache_args={"lru": 0, "ram": 0}
)
KNOWN = {function.__name__: function for function in (run, schemas, free, moved, without)}
for line in sys.stdin:
    wanted = json.loads(line)
    answer(KNOWN[wanted.pop("do")](**wanted))
