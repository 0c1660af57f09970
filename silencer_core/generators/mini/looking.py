"""A look at a network in training: does it talk, to whom, and as whom?"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from silencer_core.generators.hallo.generator import Hallo
from silencer_core.generators.hallo.network import HalloNet
from silencer_core.generators.hallo.sampling import denoise_clip

from .cast import encode_cast
from .meter import MouthMeter
from .photographs import Shot
from .script import Script
from .sheets import save_sheet


class Looker:
    """Animates a few held-out people with held-out voices, and with silence.

    Args:
        shots: held-out people at all `OPENINGS`, the mouth shut first.
        script: held-out utterances, one per person.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        meter: MouthMeter,
        shots: list[Shot],
        script: Script,
        out: Path,
        guidance: float = 2.0,
        steps: int = 8,
    ) -> None:
        self.vae, self.meter, self.out = vae, meter, out
        self.shots, self.script = shots, script
        self.guidance, self.steps = guidance, steps

    def __call__(self, net: HalloNet, step: int) -> str:
        """A line of figures; the sheet goes to `out`."""
        generator = Hallo(net, self.vae)
        config = generator.config
        cast = encode_cast(self.vae, self.shots, config)
        asked, spoken, silent, kept, rows = [], [], [], [], []
        for k, shot in enumerate(self.shots):
            person, length = torch.tensor([k]), config.clip_frames
            heard, truth = self.script.utterance(k, 20, length)
            condition = generator.condition_on(
                torch.zeros(config.face_dim),
                cast.face_regions(person, config.size)[0],
                tuple(level[0] for level in cast.masks_by_level(person, config)),
            )
            portrait = cast.at(person, torch.zeros(1, 1))[0]
            motion = portrait.expand(config.motion_frames, -1, -1, -1)
            x, y, unit = cast.mouth[k].tolist()
            for windows, openings in ((heard, spoken), (torch.full_like(heard, -1.0), silent)):
                noise = torch.randn(
                    (1, config.latent_channels, length, *portrait.shape[-2:]),
                    generator=torch.Generator().manual_seed(k),
                )
                *_, latents = denoise_clip(
                    generator,
                    condition,
                    portrait,
                    motion,
                    generator.audio_tokens(windows),
                    noise,
                    steps=self.steps,
                    guidance=self.guidance,
                )
                frames = generator.decode(latents[0].transpose(0, 1)).cpu().clamp(-1, 1) / 2 + 0.5
                openings.append(self.meter.read(frames, (x, y), unit))
                if openings is spoken:
                    asked.append(truth)
                    shown = shot.frames[:1]
                    outside = torch.ones(config.size, config.size)
                    left, top = int(x - 0.45 * unit), int(y - 0.3 * unit)
                    outside[
                        max(0, top) : int(y + 0.6 * unit), max(0, left) : int(x + 0.45 * unit)
                    ] = 0
                    error = ((frames - shown).square().mean(1) * outside).sum((1, 2))
                    kept.append(-10 * (error / outside.sum()).log10().mean())
                    rows.append(torch.cat([shown, frames[::2]]))
        save_sheet(torch.cat(rows), self.out / f"net_{step:06d}.jpg", columns=len(rows[0]))
        both = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(asked, spoken, strict=True)]
        slope = [
            ((a - a.mean()) * (s - s.mean())).sum() / (a - a.mean()).square().sum()
            for a, s in zip(asked, spoken, strict=True)
        ]
        ratio = torch.stack(silent).std(1).mean() / torch.stack(spoken).std(1).mean()
        return (
            f", sync {torch.stack(both).mean():.2f}, gain {torch.stack(slope).mean():.2f}, "
            f"silence {ratio:.2f}, identity {torch.stack(kept).mean():.1f} dB"
        )
