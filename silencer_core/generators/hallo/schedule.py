"""The two noise schedules: one for training and protection, another for sampling."""

from __future__ import annotations

import torch
from diffusers import DDIMScheduler
from torch import Tensor

_SHARED = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
}


def training_schedule() -> DDIMScheduler:
    """Scaled-linear betas rescaled to zero terminal SNR: what Hallo was trained with."""
    return DDIMScheduler(beta_schedule="scaled_linear", **_SHARED)


def sampling_schedule() -> DDIMScheduler:
    """Linear betas rescaled to zero terminal SNR: what Hallo's inference script samples with."""
    return DDIMScheduler(beta_schedule="linear", **_SHARED)


def snr(schedule: DDIMScheduler) -> Tensor:
    """Signal-to-noise ratio per timestep, `[1000]` float32."""
    alphas = schedule.alphas_cumprod
    return alphas / (1 - alphas)


def min_snr_weight(schedule: DDIMScheduler, gamma: float = 5.0) -> Tensor:
    """Loss weight per timestep for a v-prediction, `[1000]`: min(snr + 1, gamma) / (snr + 1).

    Source: Hang et al., *Efficient Diffusion Training via Min-SNR Weighting*, arXiv 2303.09556,
    in the form Hallo uses for v-prediction.
    """
    ratio = snr(schedule) + 1
    return torch.clamp(ratio, max=gamma) / ratio
