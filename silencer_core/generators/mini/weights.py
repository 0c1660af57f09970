"""The shipped weights: one half-precision file, written by training and read by everybody."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from silencer_core.checkpoint import load_into, save_safetensors
from silencer_core.errors import SilencerError
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.vae import build_vae
from silencer_core.weight_files import open_weights

from .mel import MelFeatures

WEIGHTS = Path(__file__).with_name("mini.safetensors")
METER = Path(__file__).with_name("meter.safetensors")
_CONFIG = "silencer.mini_config"
_TRAINED = "silencer.mini_trained_steps"


def pack(net: HalloNet, vae: AutoencoderKL, path: Path, trained: dict[str, int]) -> None:
    """Write networks (their own names) and autoencoder (`vae.`) in half precision.

    Args:
        trained: steps taken by each stage of the training, kept in the metadata.
    """
    tensors: dict[str, Tensor] = dict(net.state_dict())
    tensors |= {f"vae.{name}": value for name, value in vae.state_dict().items()}
    save_safetensors(
        path,
        {name: value.half() for name, value in tensors.items()},
        {_CONFIG: net.config.to_json(), _TRAINED: json.dumps(trained)},
    )


def load_mini(
    path: Path = WEIGHTS,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Hallo:
    """The built-in generator: Hallo's classes in a small configuration, log-mel audio.

    Raises:
        SilencerError: no weights there, or not those of this generator.
    """
    if not path.is_file():
        raise SilencerError(f"{path}: the built-in generator's weights are missing; reinstall.")
    metadata = open_weights(path).metadata
    if _CONFIG not in metadata:
        raise SilencerError(f"{path}: is not the built-in generator; give the shipped file.")
    config = HalloConfig.from_json(metadata[_CONFIG])
    with torch.inference_mode(False), torch.device("meta"):
        net, vae = HalloNet(config), build_vae(config)
    load_into(net, path, rename=_net_name, dtype=dtype, device=device)
    load_into(vae, path, prefix="vae.", dtype=dtype, device=device)
    return Hallo(net, vae, MelFeatures(config.clip_frames))


def is_mini(path: Path) -> bool:
    """Whether a file holds a small generator that `pack` wrote."""
    return path.suffix == ".safetensors" and _CONFIG in open_weights(path).metadata


def trained_steps(path: Path = WEIGHTS) -> dict[str, int]:
    """Steps that each stage of the training had taken when the file was packed."""
    return json.loads(open_weights(path).metadata.get(_TRAINED, "{}"))


def _net_name(name: str) -> str | None:
    return None if name.startswith("vae.") else name
