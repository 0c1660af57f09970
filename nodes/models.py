"""Generators in ComfyUI's memory: where they lie, and how they come and go."""

from __future__ import annotations

from pathlib import Path

import comfy.model_management as memory
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from torch import nn

from silencer_core.errors import SilencerError

BUILT_IN = "built-in mini"
FOLDER = "silencer"  # in ComfyUI's folder of models
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICES = ("auto", "cpu")


def register_folder() -> None:
    """Let ComfyUI know `models/silencer`, beside what `extra_model_paths.yaml` names."""
    folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))
    folder_paths.folder_names_and_paths[FOLDER][1].add(".safetensors")


def names() -> list[str]:
    """The built-in generator, converted files, and folders in Hallo's layout."""
    folders = map(Path, folder_paths.get_folder_paths(FOLDER))
    layouts = {found.parent.name for folder in folders for found in folder.glob("*/hallo")}
    files = {name for name in folder_paths.get_filename_list(FOLDER) if "/" not in name}
    return [BUILT_IN, *sorted(layouts), *sorted(files)]


def located(name: str, path: str = "") -> Path | None:
    """Where a generator of `names` lies, None for the built-in one; `path` takes precedence."""
    if path.strip():
        return Path(path.strip()).expanduser()
    if name == BUILT_IN:
        return None
    for folder in folder_paths.get_folder_paths(FOLDER):
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise SilencerError(f"generator: {name!r} is no longer in models/{FOLDER}; choose another.")


class LoadedGenerator:
    """A generator whose weights ComfyUI moves between its devices and memory.

    Args:
        name, path: see `located`.
        dtype: of `DTYPES`; auto is float32 for the built-in one, else what the host prefers.
        device: of `DEVICES`; auto is the host's.

    To be made outside inference mode.
    """

    def __init__(
        self, name: str = BUILT_IN, path: str = "", dtype: str = "auto", device: str = "auto"
    ) -> None:
        from silencer_core.generators import load_generator

        self.path = where = located(name, path)
        on = torch.device("cpu") if device == "cpu" else memory.get_torch_device()
        rests = on if device == "cpu" else memory.unet_offload_device()
        self.hallo = load_generator(where, rests, _dtype(dtype, where is None, on))
        encoder = getattr(self.hallo.audio_encoder, "model", None)
        modules = [self.hallo.net, self.hallo.vae, encoder]
        networks = nn.ModuleList(module for module in modules if module is not None)
        self.patcher = ModelPatcher(networks, load_device=on, offload_device=rests)

    def ready(self):
        """The `Hallo` on its device, ready for gradients."""
        room = self.patcher.model_size()  # for activations, at a guess
        memory.load_models_gpu([self.patcher], memory_required=room, force_full_load=True)
        _wake(self.patcher.model)
        return self.hallo


def _dtype(name: str, built_in: bool, device: torch.device) -> torch.dtype:
    if name != "auto":
        return getattr(torch, name)
    return torch.bfloat16 if not built_in and memory.should_use_bf16(device) else torch.float32


def _wake(networks: nn.Module) -> None:
    """Copy weights that the host moved while in inference mode, where no gradient can pass."""
    for module in networks.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and tensor.is_inference():
                    copy = tensor.clone()
                    parameter = isinstance(tensor, nn.Parameter)
                    held[name] = nn.Parameter(copy, requires_grad=False) if parameter else copy
