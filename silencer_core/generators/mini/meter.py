"""The mouth meter: a small convolutional network that reads how far a mouth is open.

It is an instrument for measuring generators, trained on rendered and warped faces whose opening
is known; no generator is trained with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW_UNITS = 1.1  # side of the window, face units (half a face box)
WINDOW_PIXELS = 40


class MouthMeter(nn.Module):
    """Mouth windows `[N, 3, 40, 40]` in 0..1 to openings `[N]`, about 0..1."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2),
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
            nn.SiLU(),
            nn.Conv2d(2 * width, 3 * width, 3, 2, 1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(3 * width * 25, 64),
            nn.SiLU(),
            nn.Linear(64, 1),
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Colour and contrast of the window do not count."""
        mean = windows.mean((1, 2, 3), keepdim=True)
        spread = windows.std((1, 2, 3), keepdim=True).clamp(min=0.02)
        return self.body((windows - mean) / spread)[:, 0]

    @torch.no_grad()
    def read(self, frames: Tensor, mouth: tuple[float, float], unit: float) -> Tensor:
        """Openings `[F]` of frames `[F, 3, S, S]` in 0..1.

        Args:
            mouth: x, y of the mouth's centre, pixels.
            unit: half of the face box, pixels.
        """
        return self(mouth_windows(frames, mouth, unit))


def mouth_windows(frames: Tensor, mouth: tuple[float, float], unit: float) -> Tensor:
    """Cut `[F, 3, 40, 40]` around the mouth, from frames `[F, 3, S, S]`."""
    side = frames.shape[-1]
    half = WINDOW_UNITS * unit / 2
    steps = torch.linspace(-1, 1, WINDOW_PIXELS) * half
    x, y = (mouth[0] + steps) / (side - 1) * 2 - 1, (mouth[1] + steps) / (side - 1) * 2 - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)
    grid = grid.to(frames)[None].expand(len(frames), -1, -1, -1)
    return F.grid_sample(frames, grid, align_corners=True, padding_mode="border")


def train_meter(
    training: tuple[Tensor, Tensor],
    steps: int,
    batch: int = 64,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> MouthMeter:
    """Train on windows `[N, 3, 40, 40]` and openings `[N]`; windows are blurred, relit, flipped."""
    torch.manual_seed(seed)
    windows, openings = training
    meter = MouthMeter()
    optimiser = torch.optim.AdamW(meter.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        chosen = torch.randint(len(windows), (batch,))
        x = spoiled(windows[chosen].float())
        loss = F.smooth_l1_loss(meter(x), openings[chosen], beta=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 200 == 0:
            log(f"meter: step {step + 1}, loss {loss.item():.4f}")
    return meter.eval()


def spoiled(x: Tensor) -> Tensor:
    """Windows as a generator would show them: softer, noisier, in other light, or mirrored."""
    if torch.rand(()) < 0.6:
        small = int(torch.randint(14, WINDOW_PIXELS, ()))
        x = F.interpolate(x, size=(small, small), mode="bilinear", antialias=True)
        x = F.interpolate(x, size=(WINDOW_PIXELS,) * 2, mode="bilinear")
    gain = 1 + 0.2 * torch.randn(len(x), 3, 1, 1)
    x = x * gain + 0.05 * torch.randn(len(x), 3, 1, 1) + 0.02 * torch.randn_like(x)
    return x.flip(-1) if torch.rand(()) < 0.5 else x


def meter_windows(shots: Callable[[int, Tensor], object], count: int) -> tuple[Tensor, Tensor]:
    """Windows and openings of `count` shots, four openings each, the mouth not quite centred.

    Args:
        shots: number and openings `[4]` to a `Shot`.
    """
    random = torch.Generator().manual_seed(1)
    windows, openings = [], []
    for number in range(count):
        opening = torch.rand(4, generator=random)
        opening[0] *= float(torch.rand((), generator=random) < 0.5)
        shot = shots(number, opening)
        for one, frame in zip(opening, shot.frames, strict=True):
            jitter = torch.randn(3, generator=random) * torch.tensor([0.06, 0.06, 0.08])
            x, y = shot.mouth[0] + jitter[0] * shot.unit, shot.mouth[1] + jitter[1] * shot.unit
            unit = shot.unit * float(jitter[2].exp())
            windows.append(mouth_windows(frame[None], (float(x), float(y)), unit)[0].half())
            openings.append(one)
    return torch.stack(windows), torch.stack(openings)


def load_meter(path: Path) -> MouthMeter:
    """The meter of a safetensors file."""
    from safetensors.torch import load_file

    meter = MouthMeter()
    meter.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return meter.eval()
