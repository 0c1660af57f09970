"""The cast: people as latents at several openings, with where their faces are.

The autoencoder is frozen by then, so every person is encoded once; a mouth between two stored
openings is read by interpolation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from silencer_core.files import whole
from silencer_core.generators.hallo.config import HalloConfig
from silencer_core.masks import (
    FACE_EXPANSION,
    LIP_EXPANSION,
    attention_masks,
    rectangle,
    regions,
)

from .photographs import Shot

OPENINGS = (0.0, 0.1, 0.2, 0.32, 0.46, 0.62, 0.8, 1.0)


@dataclass(frozen=True)
class Cast:
    """N people.

    Attributes:
        latents: `[N, K, c, h, w]` float16, at the K `OPENINGS`.
        masks: `[N, 3, tokens of all levels]` float16.
        face: `[N, 4]`, rows and columns (top, bottom, left, right) of the face rectangle.
        mouth: `[N, 3]`, x, y of the mouth and the face's unit, pixels.
        grey: `[c, h, w]` float16, the latent of a mid-grey picture.
    """

    latents: Tensor
    masks: Tensor
    face: Tensor
    mouth: Tensor
    grey: Tensor

    def __len__(self) -> int:
        return len(self.latents)

    def at(self, person: Tensor, opening: Tensor) -> Tensor:
        """Latents `[B, F, c, h, w]` float32 of people `[B]` at openings `[B, F]`."""
        levels = torch.tensor(OPENINGS, device=opening.device)
        above = torch.bucketize(opening.clamp(0, 1), levels).clamp(1, len(levels) - 1)
        low, high = levels[above - 1], levels[above]
        share = ((opening - low) / (high - low))[..., None, None, None]
        person = person[:, None].expand_as(above)
        first, second = self.latents[person, above - 1], self.latents[person, above]
        return torch.lerp(first.float(), second.float(), share)

    def masks_by_level(self, person: Tensor, config: HalloConfig) -> tuple[Tensor, ...]:
        """What the audio modules take: per level `[B, 3, tokens]` float32."""
        tokens = [(config.latent_size >> level) ** 2 for level in range(config.levels)]
        return self.masks[person].float().split(tokens, -1)

    def face_regions(self, person: Tensor, size: int) -> Tensor:
        """The face locator's input `[B, 3, S, S]`."""
        place = torch.arange(size, device=self.face.device)
        top, bottom, left, right = self.face[person][:, :, None].unbind(1)
        rows, columns = (place >= top) & (place < bottom), (place >= left) & (place < right)
        inside = rows[:, None, :, None] & columns[:, None, None, :]
        return inside.float().expand(-1, 3, -1, -1)

    def to(self, device: torch.device | str) -> Cast:
        """The same on another device."""
        return Cast(*(getattr(self, f.name).to(device) for f in fields(self)))

    def save(self, path: Path) -> None:
        """Write as an .npz file."""
        with whole(path) as part:
            np.savez(part, **{f.name: getattr(self, f.name).numpy() for f in fields(self)})

    @staticmethod
    def load(path: Path) -> Cast:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return Cast(**{name: torch.from_numpy(stored[name]) for name in stored.files})


@torch.no_grad()
def encode_cast(vae: AutoencoderKL, shots: Iterable[Shot], config: HalloConfig) -> Cast:
    """Encode people shot at all `OPENINGS`, on the autoencoder's device; the cast is on the CPU."""
    rows = []
    for shot in shots:
        frames = shot.frames.to(vae.device)
        latents = vae.encode(frames * 2 - 1).latent_dist.mode() * config.latent_scale
        face, lip = face_and_lips(shot, config.size)
        levels = attention_masks(
            regions(face, lip), config.size, factor=config.vae_factor, levels=config.levels
        )
        filled = np.argwhere(face > 0)
        (top, left), (bottom, right) = filled.min(0), filled.max(0) + 1
        rows.append(
            (
                latents.half().cpu(),
                torch.cat(levels, -1).half(),
                torch.tensor([top, bottom, left, right]),
                torch.tensor([*shot.mouth, shot.unit]),
            )
        )
    grey = torch.zeros(1, 3, config.size, config.size, device=vae.device)
    grey = (vae.encode(grey).latent_dist.mode()[0] * config.latent_scale).half().cpu()
    return Cast(*(torch.stack(column) for column in zip(*rows, strict=True)), grey)


def face_and_lips(shot: Shot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks `[S, S]` as a face finder's landmarks would give them, from the true places."""
    x, y = shot.mouth
    unit = shot.unit
    lips = [(x - 0.37 * unit, y - 0.17 * unit), (x + 0.37 * unit, y + 0.13 * unit)]
    left, top, right, bottom = shot.face_box
    outline = [(left, top), (right, bottom)]
    return (
        rectangle(np.array(outline).clip(0, size - 1), size, size, FACE_EXPANSION),
        rectangle(np.array(lips).clip(0, size - 1), size, size, LIP_EXPANSION),
    )
