"""Finds where face and mouth lie in a stack of grey portraits of one style.

Congealing: every face box of the cascade is refined by a similarity transform until the
gradients of all faces agree (Learned-Miller, "Data driven image models through continuous joint
alignment", PAMI 2006). The row between upper teeth and lower lip (or between closed lips) is then
found with a small ridge regression, whose hand-measured rows are `MOUTH_ROWS`, and a search for
the dark line or the bright-to-dark step near it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from silencer_core.errors import SilencerError

# Rows of the mouth split of every 7th portrait, in 1/90 of the window 0.30..0.86 face units below
# the face centre; -1: could not be told.
MOUTH_ROWS = (
    "40 75 60 55 60 -1 54 54 56 54 52 37 55 57 57 42 52 60 45 47 60 50 52 54 52 50 -1 60 58 37 52 "
    "50 56 38 42 48 53 60 62 45 62 40 60 57 42 53 60 42 62 60 47 41 47 52 57 45 55 38 44 -1 54 54 "
    "60 32 58 40 38 50 58 55 52 56 54 42 45 60 47 42 42 52 42 39 -1 60 54 42 47 38 45 43 54 54 57 "
    "-1 -1 42 -1 60 55 60"
)
WEAKEST_AGREEMENT = 0.35

Frames = tuple[Tensor, Tensor, Tensor]  # centre [N, 2], unit [N], angle [N]


@dataclass(frozen=True)
class Alignment:
    """Face frames of N portraits. One *unit* is half the side of the cascade's face box.

    Attributes:
        centre: `[N, 2]`, x and y of the frame's origin (between eyes and nose tip), pixels.
        unit: `[N]`, pixels per unit.
        angle: `[N]`, radians, positive turns the face clockwise in the picture.
        split: `[N]`, row where the mouth opens, units below the origin.
        smile: `[N]`, curvature of that row: y = split + smile * x^2, units.
        agreement: `[N]`, correlation with the mean face, -1..1.
    """

    centre: Tensor
    unit: Tensor
    angle: Tensor
    split: Tensor
    smile: Tensor
    agreement: Tensor

    def usable(self) -> Tensor:
        """Indices of the portraits whose face agrees with the mean face."""
        return (self.agreement > WEAKEST_AGREEMENT).nonzero()[:, 0]

    def save(self, path: Path) -> None:
        """Write as an .npz file."""
        np.savez(path, **{name: value.numpy() for name, value in vars(self).items()})

    @staticmethod
    def load(path: Path) -> Alignment:
        """Read what `save` wrote."""
        with np.load(path) as stored:
            return Alignment(**{name: torch.from_numpy(stored[name]) for name in stored.files})


def read_portraits(folder: Path) -> Tensor:
    """All .jpg and .png files of a folder, sorted by name, as grey `[N, 1, H, W]` in 0..1.

    Raises:
        SilencerError: no pictures, or pictures of different sizes.
    """
    from PIL import Image

    paths = sorted(p for p in Path(folder).glob("*") if p.suffix.lower() in (".jpg", ".png"))
    if not paths:
        raise SilencerError(f"portraits: no .jpg or .png file in {folder}; give another folder")
    pictures = [np.asarray(Image.open(path).convert("L")) for path in paths]
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise SilencerError(f"portraits: {folder} mixes sizes {sorted(sizes)[:3]}; resize to one")
    return torch.from_numpy(np.stack(pictures)).float()[:, None] / 255


def align(portraits: Tensor, rounds: int = 80) -> Alignment:
    """Align a stack of portraits.

    Args:
        portraits: `[N, 1, H, W]` in 0..1, upright faces, one each.
        rounds: gradient steps of the congealing.
    """
    boxes, found = _boxes(portraits)
    centre, half = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2] / 2
    offsets, agreement = _congeal(portraits, centre, half, rounds)
    frames = (centre + offsets[:, :2] * half[:, None], half * offsets[:, 2].exp(), offsets[:, 3])
    split, smile = _mouth_rows(portraits, frames)
    return Alignment(*frames, split, smile, torch.where(found, agreement, -torch.ones(len(found))))


def sample(
    portraits: Tensor, frames: tuple[Tensor, Tensor, Tensor], x: Tensor, y: Tensor
) -> Tensor:
    """Read portraits at face coordinates.

    Args:
        portraits: `[N, C, H, W]`.
        frames: centre `[N, 2]`, unit `[N]`, angle `[N]`.
        x, y: `[h, w]` or `[N, h, w]`, units.

    Shape: `[N, C, h, w]`.
    """
    centre, unit, angle = frames
    column = (slice(None), None, None)
    cos, sin = (unit * angle.cos())[column], (unit * angle.sin())[column]
    px = centre[:, 0][column] + x * cos - y * sin
    py = centre[:, 1][column] + x * sin + y * cos
    height, width = portraits.shape[-2:]
    grid = torch.stack([px / (width - 1), py / (height - 1)], -1) * 2 - 1
    return F.grid_sample(portraits, grid, align_corners=True, padding_mode="border")


def _boxes(portraits: Tensor) -> tuple[Tensor, Tensor]:
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())
    width = portraits.shape[-1]
    boxes, found = [], []
    for picture in (portraits[:, 0] * 255).byte().numpy():
        hits = []
        for factor in (1.1, 1.05):
            hits = hits or cascade.detect_multi_scale(
                picture,
                scale_factor=factor,
                step_ratio=1,
                min_size=(width // 3, width // 3),
                max_size=(width, width),
                min_neighbor_number=2,
            )
        box = max(hits, key=lambda hit: hit["width"]) if hits else dict.fromkeys("cr", 0)
        boxes.append([box["c"], box["r"], box.get("width", width), box.get("height", width)])
        found.append(bool(hits))
    return torch.tensor(boxes).float(), torch.tensor(found)


def _congeal(
    portraits: Tensor, centre: Tensor, half: Tensor, rounds: int, side: int = 96
) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    window = torch.exp(-((x / 0.6) ** 4 + ((y - 0.1) / 0.7) ** 4))[1:-1, 1:-1]
    offsets = torch.zeros(len(portraits), 4, requires_grad=True)
    optimiser = torch.optim.Adam([offsets], lr=0.02)
    for step in range(rounds):
        shift = centre + offsets[:, :2] * half[:, None]
        frames = (shift, half * offsets[:, 2].exp(), offsets[:, 3])
        edges = _edges(sample(portraits, frames, x, y)) * window
        edges = edges / edges.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-6)
        mean = edges.mean(0).detach()
        mean = mean + torch.stack([-mean[0].flip(-1), mean[1].flip(-1)])
        agreement = (edges * (mean / mean.norm())).flatten(1).sum(1)
        loss = -agreement.sum() / 10 + 0.02 * offsets.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - step / (rounds + 5))
        optimiser.step()
        with torch.no_grad():
            offsets -= offsets.mean(0) / 2
    return offsets.detach(), agreement.detach()


def _edges(x: Tensor) -> Tensor:
    x = F.avg_pool2d(x, 3, 1, 1)
    across = x[..., 1:-1, 2:] - x[..., 1:-1, :-2]
    down = x[..., 2:, 1:-1] - x[..., :-2, 1:-1]
    return torch.cat([across.clamp(-0.1, 0.1) * 0.6, down.clamp(-0.1, 0.1)], 1)


def _mouth_rows(portraits: Tensor, frames: Frames) -> tuple[Tensor, Tensor]:
    guess = _guess_rows(portraits, frames)
    rows = torch.arange(0.38, 0.82, 0.008)
    smiles = torch.tensor([-1.2, -0.9, -0.6, -0.3, 0.0, 0.3])
    x = torch.linspace(-0.2, 0.2, 23).expand(len(rows), -1)
    curves = [rows[:, None] + smile * x.square() for smile in smiles]
    light = torch.stack([sample(portraits, frames, x, y)[:, 0].mean(-1) for y in curves], 1)
    reach, count = 6, len(rows)

    def shifted(*steps: int) -> Tensor:
        return sum(light[:, :, reach + k : count - reach + k] for k in steps) / len(steps)

    above, here, below = shifted(-2, -3, -4, -5), shifted(-1, 0, 1), shifted(2, 3, 4, 5)
    step, valley = 0.8 * (above - below), 2 * torch.minimum(above - here, below - here)
    score = torch.maximum(step, valley) / (light.flatten(1).std(1)[:, None, None] + 0.02)
    rows = rows[reach:-reach]
    score = score - 0.5 * ((rows - guess[:, None, None]) / 0.03).square()
    best = (score - 0.2 * (smiles[:, None] + 0.45).square()).flatten(1).argmax(1)
    return rows[best % len(rows)], smiles[best // len(rows)]


def _guess_rows(portraits: Tensor, frames: Frames) -> Tensor:
    measured = torch.tensor([float(row) for row in MOUTH_ROWS.split()])[: (len(portraits) + 6) // 7]
    known = measured > 0
    labels = 0.3 + 0.56 * measured[known] / 90
    index = torch.arange(len(measured))[known] * 7
    y, x = torch.meshgrid(
        torch.linspace(0.36, 0.80, 40), torch.linspace(-0.4, 0.4, 40), indexing="ij"
    )
    patch = F.avg_pool2d(sample(portraits, frames, x, y), 2)[:, 0]
    patch = patch - patch.mean((1, 2), keepdim=True)
    patch = patch / patch.std((1, 2), keepdim=True).clamp(min=1e-3)
    both = torch.cat([patch, patch.flip(-1)]).flatten(1)
    both = both - both.mean(0)
    _, spread, axes = torch.linalg.svd(both, full_matrices=False)
    parts = both @ axes[:40].T / spread[:40] * len(both) ** 0.5
    rows = torch.cat([parts[index], parts[index + len(portraits)]])
    target = torch.cat([labels, labels]) - labels.mean()
    weight = torch.linalg.solve(rows.T @ rows + 30 * torch.eye(40), rows.T @ target)
    both_rows = (parts @ weight + labels.mean()).view(2, -1)
    return both_rows.mean(0)
