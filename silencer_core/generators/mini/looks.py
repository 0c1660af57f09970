"""What a rendered person looks like: the attributes and how they are drawn at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

Colour = tuple[float, float, float]

SKIN: tuple[Colour, ...] = (
    (0.96, 0.80, 0.71),
    (0.93, 0.75, 0.63),
    (0.88, 0.68, 0.54),
    (0.80, 0.59, 0.44),
    (0.69, 0.48, 0.34),
    (0.55, 0.37, 0.26),
    (0.42, 0.27, 0.19),
    (0.31, 0.20, 0.15),
)
HAIR: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.28, 0.17, 0.10),
    (0.42, 0.26, 0.14),
    (0.62, 0.44, 0.24),
    (0.80, 0.64, 0.40),
    (0.55, 0.22, 0.10),
    (0.62, 0.61, 0.60),
    (0.86, 0.85, 0.83),
)
IRIS: tuple[Colour, ...] = (
    (0.22, 0.13, 0.07),
    (0.33, 0.20, 0.10),
    (0.38, 0.33, 0.16),
    (0.25, 0.38, 0.27),
    (0.30, 0.45, 0.62),
    (0.42, 0.48, 0.52),
)
STYLES = ("bald", "buzz", "short", "parted", "receding", "bob", "long", "curly", "bun", "fringe")


@dataclass(frozen=True)
class Look:
    """One rendered person, their clothes and the room. Lengths in face units."""

    seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    style: str
    face_width: float
    jaw_width: float
    chin: float
    hairline: float
    volume: float
    eye_gap: float
    eye_width: float
    eye_height: float
    eye_slant: float
    gaze: float
    brow_height: float
    brow_thick: float
    brow_slant: float
    nose_width: float
    nose_length: float
    lip_thick: float
    lip_width: float
    lip_red: float
    smile: float
    split: float
    beard: float
    moustache: float
    stubble: float
    glasses: float
    glasses_round: float
    glasses_colour: Colour
    age: float
    blush: float
    freckles: float
    makeup: float
    shirt: Colour
    jacket: Colour
    collar: str
    light_x: float
    light_y: float
    ambient: float
    warmth: float
    backdrop: Colour
    backdrop_two: Colour
    backdrop_kind: str
    yaw: float
    nod: float
    roll: float
    scale: float
    shift_x: float
    shift_y: float
    blink: float


def random_look(seed: int) -> Look:
    """The person that a seed stands for."""
    random = torch.Generator().manual_seed(seed * 7919 + 17)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=random).item()

    def pick(options: tuple) -> object:
        return options[int(torch.randint(len(options), (), generator=random))]

    def between(options: tuple[Colour, ...]) -> Colour:
        first = int(torch.randint(len(options) - 1, (), generator=random))
        t = uniform(0, 1)
        pairs = zip(options[first], options[first + 1], strict=True)
        return tuple((1 - t) * a + t * b + uniform(-0.02, 0.02) for a, b in pairs)

    def any_colour(light: tuple[float, float], chroma: tuple[float, float]) -> Colour:
        middle, size, angle = uniform(*light), uniform(*chroma), uniform(0, 2 * math.pi)
        phase = (0.0, 2.094, 4.189)
        return tuple(min(1.0, max(0.02, middle + size * math.cos(angle + p))) for p in phase)

    female = uniform(0, 1) < 0.5
    old = uniform(0, 1) ** 2
    skin = between(SKIN)
    dark_skin = sum(skin) < 1.4
    hair = pick(HAIR[:3]) if dark_skin and uniform(0, 1) < 0.85 else pick(HAIR)
    if old > 0.6 and uniform(0, 1) < 0.7:
        hair = pick(HAIR[7:])
    styles = ("bob", "long", "curly", "bun", "fringe", "parted", "short")
    style = pick(styles if female else ("bald", "buzz", "short", "short", "parted", "receding"))
    shine = uniform(0.9, 1.15)
    beard = 0.0 if female or uniform(0, 1) < 0.6 else uniform(0.3, 1.0)
    return Look(
        seed=seed,
        skin=skin,
        hair=tuple(min(1, max(0.02, c * shine)) for c in hair),
        iris=pick(IRIS[:2]) if dark_skin else pick(IRIS),
        style=style,
        face_width=uniform(0.74, 0.86) - 0.03 * female,
        jaw_width=uniform(0.50, 0.64) - 0.05 * female,
        chin=uniform(1.02, 1.14),
        hairline=uniform(-0.86, -0.66),
        volume=uniform(0.04, 0.14),
        eye_gap=uniform(0.33, 0.38),
        eye_width=uniform(0.15, 0.185),
        eye_height=uniform(0.055, 0.085),
        eye_slant=uniform(-0.08, 0.12),
        gaze=uniform(-0.03, 0.03),
        brow_height=uniform(0.15, 0.21),
        brow_thick=uniform(0.020, 0.034) if female else uniform(0.028, 0.05),
        brow_slant=uniform(-0.12, 0.08),
        nose_width=uniform(0.125, 0.18),
        nose_length=uniform(0.30, 0.38),
        lip_thick=uniform(0.05, 0.085) if female else uniform(0.035, 0.07),
        lip_width=uniform(0.25, 0.33),
        lip_red=uniform(0.25, 0.9) if female else uniform(0.1, 0.4),
        smile=uniform(-0.45, 0.05),
        split=uniform(0.57, 0.64),
        beard=beard,
        moustache=0.0 if female else (uniform(0.5, 1) if uniform(0, 1) < 0.2 + beard else 0.0),
        stubble=0.0 if female else uniform(0, 0.5) * (uniform(0, 1) < 0.5),
        glasses=float(uniform(0, 1) < 0.3),
        glasses_round=uniform(2.2, 5.0),
        glasses_colour=any_colour((0.05, 0.35), (0.0, 0.12)),
        age=old,
        blush=uniform(0, 0.6),
        freckles=uniform(0, 1) * (uniform(0, 1) < 0.2),
        makeup=uniform(0, 1) * female,
        shirt=any_colour((0.45, 0.95), (0.0, 0.2)),
        jacket=any_colour((0.06, 0.55), (0.0, 0.2)),
        collar=pick(("suit", "suit", "tee", "vee", "turtle")),
        light_x=uniform(-0.9, 0.9),
        light_y=uniform(-0.9, 0.1),
        ambient=uniform(0.42, 0.68),
        warmth=uniform(-0.05, 0.06),
        backdrop=any_colour((0.15, 0.85), (0.0, 0.18)),
        backdrop_two=any_colour((0.15, 0.85), (0.0, 0.18)),
        backdrop_kind=pick(("plain", "spot", "blurred", "blurred", "wall")),
        yaw=uniform(-0.16, 0.16),
        nod=uniform(-0.06, 0.06),
        roll=uniform(-0.10, 0.10),
        scale=uniform(0.50, 0.76),
        shift_x=uniform(-0.10, 0.10),
        shift_y=uniform(-0.04, 0.14),
        blink=0.0 if uniform(0, 1) < 0.88 else uniform(0.3, 1.0),
    )
