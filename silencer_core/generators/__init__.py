"""Talking-head generators: what a protection is optimised against and what an attack runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from .hallo.generator import Hallo


def load_generator(
    path: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Hallo:
    """A generator from disk, ready to run, its weights frozen.

    Args:
        path: a folder in Hallo's published layout, or one file that `silencer models convert`
            wrote, or that the small generator's training packed; none for the built-in one.
        device: where to run; by default the GPU if there is one, else the CPU.
        dtype: of networks and autoencoder; by default the fastest that is exact enough there, see
            `default_dtype`, and float32 for the built-in one, which gains nothing from less. The
            audio encoder, which runs once per recording, is float32.

    Raises:
        SilencerError: if a file is missing or does not hold what it should.
    """
    import torch

    from silencer_core.audio import Wav2VecFeatures
    from silencer_core.models.stored import open_stored

    from .hallo.generator import Hallo
    from .mini.weights import WEIGHTS, is_mini, load_mini

    device = torch.device(device) if device is not None else default_device()
    if path is None or (Path(path).is_file() and is_mini(Path(path))):
        weights = WEIGHTS if path is None else Path(path)
        return load_mini(weights, device, dtype or torch.float32)
    stored = open_stored(path)
    net, vae, wav2vec = stored.load(dtype or default_dtype(device), device)
    config = stored.config
    audio_encoder = Wav2VecFeatures(wav2vec, config.clip_frames, config.fps)
    return Hallo(net, vae, audio_encoder, stored.faces)


def default_device() -> torch.device:
    """The first CUDA device, Apple's GPU, or the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, else float32.

    Not float16: gradients of a mean over a latent lie below its normal range.
    """
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and _cpu_has_bfloat16():
        return torch.bfloat16
    return torch.float32


def _cpu_has_bfloat16() -> bool:
    import torch

    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and supported()
