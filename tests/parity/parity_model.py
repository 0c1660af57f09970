"""The reference folder's generator in our classes, and its inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from silencer_core.audio import windows
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.generators.hallo.denoiser import ReferenceFeatures
from silencer_core.generators.hallo.generator import Condition, Hallo


def config_of(meta: dict, net: dict[str, Tensor]) -> HalloConfig:
    c, extra = meta["config"], meta["extra_config"]
    return HalloConfig(
        channels=tuple(c["channels"]),
        layers=c["layers"],
        heads=c["heads"],
        groups=c["groups"],
        cross_dim=c["cross_dim"],
        motion_heads=c["motion_heads"],
        motion_groups=c["motion_norm_groups"],
        motion_positions=extra["motion_module"]["pe_max_len"],
        face_dim=c["face_dim"],
        face_tokens=c["face_tokens"],
        face_locator_channels=tuple(c["fl_channels"]),
        audio_blocks=c["audio_blocks"],
        audio_channels=c["audio_channels"],
        audio_hidden=c["audio_inter"],
        audio_tokens=c["audio_tokens"],
        audio_dim=c["audio_dim"],
        vae_channels=tuple(c["vae_channels"]),
        vae_layers=c["vae_layers"],
        vae_groups=c["vae_groups"],
        latent_channels=net["denoising_unet.conv_in.weight"].shape[1],
        latent_scale=extra["latent_scale"],
        size=c["size"],
        clip_frames=c["video_length"],
        motion_frames=extra["n_motion_frames"],
    )


def untrained_with(meta: dict, net: dict[str, Tensor], vae: dict[str, Tensor]) -> Hallo:
    generator = Hallo.untrained(config_of(meta, net))
    generator.net.load_state_dict(net, strict=True)
    generator.vae.load_state_dict(vae, strict=True)
    return generator


@dataclasses.dataclass
class Case:
    """Inputs of a folder in the form our generator takes."""

    generator: Hallo
    image: Tensor  # [3, S, S] -1..1
    motion: Tensor  # [n, 3, S, S] -1..1
    condition: Condition
    heard: Tensor  # [L, window, blocks, channels]

    @classmethod
    def of(cls, generator: Hallo, inputs: dict[str, Tensor]) -> Case:
        image = (inputs["image_u8"].float() / 255 - 0.5) / 0.5
        motion = inputs["motion_frames_u8"].float() / 255 * 2 - 1
        levels = range(generator.config.levels)
        masks = [
            torch.cat([inputs[f"{region}_mask_{i}"][:1] for region in ("full", "face", "lip")])
            for i in levels
        ]
        condition = generator.condition_on(
            inputs["face_emb"], inputs["face_region_u8"].float(), masks
        )
        heard = windows(inputs["audio_feats"], generator.config.audio_margin)
        return cls(generator, image, motion, condition, heard)

    def reference_latents(self) -> Tensor:
        """`[1 + n, c, h, w]`: portrait and motion frames, posterior mean, scaled."""
        return self.generator.encode(torch.cat([self.image[None], self.motion]))

    def reference(self) -> ReferenceFeatures:
        return self.generator.reference_features(
            self.reference_latents(), self.condition.face_tokens
        )


def tolerance(
    stated: float, run: Callable[..., Tensor], *tensors: Tensor, relative: bool = False
) -> float:
    """The stated tolerance, or what float32 itself leaves undetermined where that is more.

    Group norms over a handful of values amplify rounding: on another processor the reference's
    own code is up to 2e-5 from its own stored outputs and 1e-4 relative from its gradients. The
    width of that is measured here by moving each input by one rounding, and eight times it is
    allowed, as every operation rounds and not only the input: where the processor has AVX2 alone,
    four and a half times it was seen. Mistakes are a thousand times larger.
    """
    exact = run(*tensors)
    floor = 0.0
    for seed in range(3):
        source = torch.Generator().manual_seed(seed)
        moved = [x * (1 + 2**-23 * torch.randn(x.shape, generator=source).sign()) for x in tensors]
        floor = max(floor, distance(run(*moved), exact, relative))
    assert floor < 1e-3, "the comparison would mean nothing"
    return max(stated, 8 * floor)


def distance(found: Tensor, expected: Tensor, relative: bool = False) -> float:
    """Largest absolute difference; relative: norm of the difference over the norm."""
    if relative:
        return ((found - expected).norm() / expected.norm()).item()
    return (found - expected).abs().max().item()
