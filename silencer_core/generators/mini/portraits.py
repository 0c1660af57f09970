"""A procedural portrait renderer: layers of soft shapes, lit as a relief, mouths by `jaw`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .jaw import Mouth, open_mouth
from .looks import Colour, Look
from .photographs import Shot


@dataclass(frozen=True)
class Person:
    """A drawn portrait with closed mouth, ready to talk.

    Attributes:
        picture: `[3, S, S]` in 0..1.
        look: what was drawn.
    """

    picture: Tensor
    look: Look

    def shot(self, opening: Tensor, width: float = 1.0) -> Shot:
        """The person at openings `[K]` in 0..1; `width` is a factor on the mouth's width."""
        look, side = self.look, self.picture.shape[-1]
        view = _View(look, side)
        # The face turns: the mouth follows the relief at its place.
        turn_x, turn_y = look.yaw * 0.95, look.nod * 0.95
        mouth = Mouth(
            look.split,
            look.smile,
            width=look.lip_width * width,
            drop=0.25,
            round_off=0.12,
            teeth=0.35 + 0.5 * ((look.seed * 37) % 100) / 100,
            tongue=0.2 + 0.5 * ((look.seed * 53) % 100) / 100,
        )
        frames = open_mouth(self.picture, view.x - turn_x, view.y - turn_y, mouth, opening)
        centre = view.pixel(turn_x, look.split + turn_y)
        low = view.pixel(turn_x, look.split + turn_y + mouth.drop)
        middle = view.pixel(turn_x, look.split + turn_y + mouth.drop / 3)
        head, unit = view.pixel(0, 0.05), view.unit
        lips = (centre[0] - mouth.width * unit, centre[1] - 0.14 * unit)
        lips += (centre[0] + mouth.width * unit, low[1] + 0.12 * unit)
        face = (head[0] - 0.85 * unit, head[1] - 0.95 * unit)
        face += (head[0] + 0.85 * unit, head[1] + 1.05 * unit)
        return Shot(frames, middle, unit, face, lips)


def draw(look: Look, side: int = 128) -> Person:
    """Draw a person with closed mouth; twice as fine, then averaged."""
    canvas = _Canvas(look, 2 * side)
    for paint in (
        _backdrop,
        _back_hair,
        _clothes,
        _ears,
        _skin,
        _features,
        _beard,
        _eyes,
        _lips,
        _hair,
        _glasses,
        _camera,
    ):
        paint(canvas, look)
    return Person(F.avg_pool2d(canvas.rgb[None], 2)[0], look)


class _View:
    """Where the pixels of a picture lie in the face's coordinates."""

    def __init__(self, look: Look, side: int) -> None:
        self.look, self.side = look, side
        self.unit = look.scale * side / 2
        row, column = torch.meshgrid(*[torch.arange(side).float()] * 2, indexing="ij")
        middle = (side - 1) / 2
        dx = (column - middle) / self.unit - look.shift_x / look.scale
        dy = (row - middle) / self.unit - look.shift_y / look.scale
        cos, sin = math.cos(look.roll), math.sin(look.roll)
        self.x, self.y = dx * cos + dy * sin, -dx * sin + dy * cos
        self.upright_x, self.upright_y = dx, dy

    def pixel(self, u: float, v: float) -> tuple[float, float]:
        """The pixel at face coordinates u, v."""
        look = self.look
        cos, sin = math.cos(look.roll), math.sin(look.roll)
        across = u * cos - v * sin + look.shift_x / look.scale
        down = u * sin + v * cos + look.shift_y / look.scale
        middle = (self.side - 1) / 2
        return across * self.unit + middle, down * self.unit + middle


class _Canvas(_View):
    """A picture being painted, and what later layers need of earlier ones."""

    def __init__(self, look: Look, side: int) -> None:
        super().__init__(look, side)
        self.random = torch.Generator().manual_seed(look.seed * 104729 + 5)
        # Features lie on a dome: they shift more than the outline when the head turns.
        depth = (1 - (self.x / 0.95) ** 2 - ((self.y - 0.1) / 1.3) ** 2).clamp(min=0).sqrt()
        self.fx, self.fy = self.x - look.yaw * depth, self.y - look.nod * depth
        self.rgb = torch.zeros(3, side, side)
        self.shade = torch.ones(side, side)

    def inside(self, distance: Tensor, soft: float = 0.0) -> Tensor:
        """Coverage of distance < 0 (units), anti-aliased or softer."""
        width = max(1.0 / self.unit, soft)
        return (0.5 - distance / width).clamp(0, 1)

    def paint(self, colour: Colour | Tensor, cover: Tensor) -> None:
        """Lay a colour `(r, g, b)` or `[3, S, S]` over the picture."""
        if not isinstance(colour, Tensor):
            colour = torch.tensor(colour)[:, None, None].expand_as(self.rgb)
        self.rgb = torch.lerp(self.rgb, colour, cover.clamp(0, 1))

    def darken(self, factor: float | Tensor, cover: Tensor) -> None:
        """Multiply the picture by a factor where covered."""
        self.rgb = self.rgb * (1 + (factor - 1) * cover.clamp(0, 1))

    def noise(self, cells: int, u: Tensor | None = None, v: Tensor | None = None) -> Tensor:
        """Smooth noise, about -1..1, `cells` across; u, v in -1..1 bend it."""
        grid = torch.randn(1, 1, cells, cells, generator=self.random)
        if u is None:
            return F.interpolate(grid, (self.side,) * 2, mode="bicubic")[0, 0]
        place = torch.stack([u, v], -1)[None]
        return F.grid_sample(grid, place, align_corners=True, padding_mode="reflection")[0, 0]


def _ellipse(x: Tensor, y: Tensor, a: float, b: float, power: float = 2.0) -> Tensor:
    """Approximate signed distance to a superellipse, units."""
    r = ((x.abs() / a) ** power + (y.abs() / b) ** power) ** (1 / power)
    return (r - 1) * min(a, b)


def _bump(x: Tensor, y: Tensor, a: float, b: float) -> Tensor:
    return torch.exp(-((x / a) ** 2) - (y / b) ** 2)


def _backdrop(c: _Canvas, look: Look) -> None:
    first = torch.tensor(look.backdrop)[:, None, None]
    second = torch.tensor(look.backdrop_two)[:, None, None]
    near = 0.5 * (first + second)
    if look.backdrop_kind == "plain":
        t = (c.upright_y * 0.25 + 0.5).clamp(0, 1)
        c.rgb = torch.lerp(first, near, t)
    elif look.backdrop_kind == "spot":
        t = (1.2 - (c.upright_x**2 + (c.upright_y + 0.2) ** 2).sqrt() * 0.5).clamp(0, 1)
        c.rgb = first * (0.55 + 0.5 * t)
    elif look.backdrop_kind == "wall":
        t = (torch.sin(c.upright_x * 6 + look.seed) * 12).clamp(-1, 1) * 0.5 + 0.5
        c.rgb = first * (0.92 + 0.08 * F.avg_pool2d(t[None, None], 9, 1, 4)[0, 0])
    else:
        t = (c.noise(5) * 0.5 + 0.5).clamp(0, 1)
        c.rgb = torch.lerp(first, second, t) * (1 + 0.15 * c.noise(9))
    c.rgb = (c.rgb * (1 + 0.01 * c.noise(c.side // 3))).clamp(0, 1).expand(3, -1, -1).clone()


def _outline(c: _Canvas, look: Look, grow: float = 0.0) -> Tensor:
    """Signed distance to the head's outline: a skull ellipse that narrows to the chin."""
    x, y = c.x, c.y - 0.05
    down = y.clamp(min=0) / (look.chin - 0.05)
    width = look.face_width - (look.face_width - look.jaw_width) * down.clamp(max=1) ** 1.6
    height = torch.where(y > 0, look.chin - 0.05 + grow, 1.25 + grow)
    across, along = (x / (width + grow)).abs(), (y / height).abs()
    return ((across**2.4 + along**2.4) ** (1 / 2.4) - 1) * 0.8


def _hair_tone(c: _Canvas, look: Look) -> Tensor:
    """Hair colour with strands that run from the crown, `[3, S, S]`."""
    dx, dy = c.x, c.y + 0.55
    angle, radius = torch.atan2(dx, -dy + 0.001) / math.pi, (dx**2 + dy**2).sqrt()
    if look.style == "curly":
        strands = c.noise(44) * 0.7 + c.noise(22) * 0.5
    else:
        strands = c.noise(90, angle, radius * 0.06 - 0.5) * 0.6
        strands = strands + c.noise(40, angle + 0.03 * c.noise(8), radius * 0.15 - 0.5) * 0.5
    shine = torch.exp(-(((radius - 0.62) / 0.16) ** 2)) * (0.5 + 0.5 * torch.cos(3.14 * angle))
    side = 1 + 0.25 * (look.light_x * c.x - 0.4 * c.y * look.light_y).clamp(-0.8, 0.8)
    tone = torch.tensor(look.hair)[:, None, None] * side * (1 + 0.28 * strands)
    return (tone * (0.85 + 0.5 * shine) + 0.035 * shine).clamp(0, 1)


def _back_hair(c: _Canvas, look: Look) -> None:
    length = {"long": 1.9, "bob": 0.95, "curly": 0.75, "fringe": 1.2, "bun": 0.2}.get(look.style)
    c.hair_tone = _hair_tone(c, look)
    if length is None:
        return
    wide = look.face_width + 0.10 + look.volume + (0.16 if look.style == "curly" else 0.0)
    wave = 0.03 * torch.sin(c.y * 7 + look.seed)
    sides = torch.maximum((c.x + wave).abs() - wide - 0.10 * (c.y > 0) * c.y, c.y - length)
    shape = torch.where(c.y > -0.2, sides, _ellipse(c.x, c.y + 0.2, wide, 1.12 + look.volume))
    if look.style == "bun":
        shape = torch.minimum(shape, _ellipse(c.x - 0.05, c.y + 1.35, 0.34, 0.3))
    rough = 0.025 * c.noise(60)
    c.paint(c.hair_tone * 0.72, c.inside(shape + rough, 0.05))


def _clothes(c: _Canvas, look: Look) -> None:
    skin = torch.tensor(look.skin)[:, None, None].expand_as(c.rgb)
    x, y = c.upright_x - c.look.roll * -1.0, c.upright_y
    neck = torch.maximum(x.abs() - 0.45 - 0.12 * (y - 1.1).clamp(min=0), 0.6 - y)
    under = torch.sigmoid((y - look.chin - 0.02) / 0.09)
    c.paint(skin * (0.55 + 0.33 * under) * _tint(look), c.inside(neck))
    fall = 1.38 + 0.25 * (x.abs() - 0.35).clamp(min=0) ** 0.8
    folds = 1 + 0.06 * c.noise(10) + 0.02 * c.noise(40)
    light = 0.75 + 0.2 * (1 + look.light_x * x.clamp(-1.5, 1.5) * 0.4)
    body = c.inside(fall - y)
    shirt = torch.tensor(look.shirt)[:, None, None] * folds * light
    jacket = torch.tensor(look.jacket)[:, None, None] * folds * light
    if look.collar == "suit":
        c.paint(jacket, body)
        vee = torch.maximum(1.22 - y, x.abs() - (0.46 - 0.30 * (y - 1.3).clamp(min=0)))
        c.paint(shirt, c.inside(vee) * (y > 1.22))
        opening = torch.maximum(1.1 - y, x.abs() - (0.30 - 0.75 * (y - 1.28)).clamp(max=0.34))
        c.paint(skin * 0.72 * _tint(look), c.inside(opening) * (y < 1.72) * c.inside(neck))
        if look.seed % 2:
            tie = x.abs() - (0.075 + 0.06 * (y - 1.62).clamp(min=0))
            accent = torch.tensor(look.backdrop_two)[:, None, None] * folds * 0.9
            c.paint(accent, c.inside(torch.maximum(tie, 1.52 - y)))
        lapel = (x.abs() - (0.46 - 0.30 * (y - 1.3).clamp(min=0))).abs() - 0.012
        c.darken(0.6, c.inside(lapel) * body * (y > 1.3))
    elif look.collar == "turtle":
        c.paint(jacket, body)
        roll_neck = torch.maximum(x.abs() - 0.45, 1.10 - y + 0.15 * x**2)
        c.paint(jacket * 0.92, c.inside(roll_neck))
    else:
        c.paint(jacket, body)
        depth = 1.55 if look.collar == "tee" else 1.95
        hole = y - (depth - (depth - 1.3) * (x.abs() / 0.42) ** (2 if look.collar == "tee" else 1))
        skin_hole = c.inside(hole) * (y > 1.2) * c.inside(x.abs() - 0.44)
        c.paint(skin * (0.62 + 0.25 * under) * _tint(look), skin_hole)


def _tint(look: Look) -> Tensor:
    return torch.tensor([1 + look.warmth, 1.0, 1 - look.warmth])[:, None, None]


def _ears(c: _Canvas, look: Look) -> None:
    if look.style in ("long", "bob", "curly"):
        return
    skin = torch.tensor(look.skin)[:, None, None] * _tint(look)
    for sign in (-1.0, 1.0):
        ex = c.x - sign * (look.face_width + 0.015) + 0.25 * look.yaw
        ear = _ellipse(ex, c.y + 0.02 - 0.1 * ex * sign, 0.085, 0.21)
        c.paint(skin * 0.82 * torch.ones_like(c.rgb), c.inside(ear))
        c.darken(0.75, c.inside(_ellipse(ex, c.y + 0.03, 0.04, 0.12), 0.05))


def _skin(c: _Canvas, look: Look) -> None:
    fx, fy = c.fx, c.fy
    eye_y, nose_y = -0.24, -0.24 + look.nose_length + 0.22
    outline = _outline(c, look)
    c.head = c.inside(outline)
    inner = (-outline / 0.55).clamp(0, 1)
    relief = 0.62 * (1 - (1 - inner) ** 2).clamp(min=0).sqrt()
    ridge = ((fy - eye_y) / (nose_y - eye_y)).clamp(0, 1)
    relief = relief + 0.20 * ridge * torch.exp(-((fx / (0.07 + 0.05 * ridge)) ** 2)) * torch.exp(
        -(((fy - nose_y + 0.05).clamp(min=0) / 0.07) ** 2)
    )
    relief = relief + 0.055 * _bump(fx, fy - nose_y, 0.10, 0.075)
    for sign in (-1.0, 1.0):
        relief = relief + 0.04 * _bump(fx - sign * look.nose_width, fy - nose_y, 0.05, 0.055)
        relief = relief - 0.085 * _bump(fx - sign * look.eye_gap, fy - eye_y, 0.19, 0.12)
        relief = relief + 0.055 * _bump(fx - sign * 0.46, fy - 0.16, 0.22, 0.18)
        relief = relief + 0.04 * _bump(fx - sign * 0.34, fy - eye_y + 0.21, 0.22, 0.07)
    relief = relief + 0.07 * _bump(fx, fy - look.chin + 0.15, 0.20, 0.12)
    relief = relief - 0.04 * _bump(fx, fy - look.split - 0.15, 0.22, 0.045)
    relief = relief + 0.035 * _bump(fx, fy - look.split, 0.28, 0.10)
    relief = relief + 0.006 * c.noise(14)
    step = c.unit
    gx = F.pad((relief[:, 2:] - relief[:, :-2]) * step / 2, (1, 1))
    gy = F.pad((relief[2:] - relief[:-2]) * step / 2, (0, 0, 1, 1))
    normal = torch.stack([-gx, -gy, torch.ones_like(gx)])
    normal = normal / normal.norm(dim=0)
    light = torch.tensor([look.light_x, look.light_y, 1.1])
    light = light / light.norm()
    lit = (normal * light[:, None, None]).sum(0)
    half = light + torch.tensor([0.0, 0.0, 1.0])
    gloss = (normal * (half / half.norm())[:, None, None]).sum(0).clamp(min=0) ** 28
    c.shade = look.ambient + (1.12 - look.ambient) * lit.clamp(min=0) ** 0.9
    base = torch.tensor(look.skin)[:, None, None].expand_as(c.rgb).clone()
    # Shadows of skin are redder than its lights.
    red = torch.tensor([1.0, 1.25, 1.35])[:, None, None]
    tone = base * c.shade.clamp(min=0.05) ** red * _tint(look)
    tone = tone + 0.10 * gloss * (1 - look.age * 0.4)
    warm = torch.zeros_like(fx)
    for sign in (-1.0, 1.0):
        warm = warm + _bump(fx - sign * 0.44, fy - 0.22, 0.2, 0.16)
    warm = warm + 0.6 * _bump(fx, fy - nose_y, 0.13, 0.08)
    flush = torch.tensor([0.02, -0.06, -0.05])[:, None, None]
    tone = tone + flush * (look.blush * warm) + 0.018 * c.noise(18) + 0.010 * c.noise(c.side // 3)
    if look.freckles:
        spots = ((c.noise(c.side // 3) - 1.4).clamp(0, 1)) * warm.clamp(0, 1)
        tone = tone * (1 - 0.35 * look.freckles * spots)
    c.paint(tone.clamp(0, 1), c.head)
    c.nose_y, c.eye_y = nose_y, eye_y


def _features(c: _Canvas, look: Look) -> None:
    """Nostrils, folds, wrinkles, brows, lid shadows."""
    fx, fy = c.fx, c.fy
    for sign in (-1.0, 1.0):
        nx = fx - sign * look.nose_width * 0.52
        hole = _ellipse(nx, fy - c.nose_y - 0.055 + 0.25 * nx * sign, 0.040, 0.020)
        c.darken(0.42, c.inside(hole, 0.03) * c.head)
        wing = _ellipse(fx - sign * look.nose_width * 0.98, fy - c.nose_y, 0.035, 0.075)
        c.darken(0.80, c.inside(wing.abs() - 0.008, 0.035) * (sign * fx > look.nose_width) * c.head)
        t = ((fy - c.nose_y) / 0.36).clamp(0, 1)
        fold = (sign * fx - (0.20 + 0.20 * t)).abs() - 0.006
        strength = (0.10 + 0.30 * look.age) * (1 - (2 * t - 1) ** 2)
        c.darken(1 - strength, c.inside(fold, 0.05) * c.head)
        bag = (fy - c.eye_y - 0.125 - 0.12 * (fx - sign * look.eye_gap) ** 2 * -6).abs()
        near = torch.exp(-(((fx - sign * look.eye_gap) / 0.15) ** 4))
        c.darken(1 - 0.08 - 0.16 * look.age, c.inside(bag - 0.006, 0.045) * near)
        c.darken(
            1 - 0.14 - 0.2 * look.makeup,
            _bump(fx - sign * look.eye_gap, fy - c.eye_y + 0.05, 0.17, 0.08),
        )
    c.darken(0.80, 0.8 * _bump(fx, fy - c.nose_y - 0.095, look.nose_width, 0.03) * c.head)
    c.darken(0.86, _bump(fx, fy - look.split - look.lip_thick * 1.5 - 0.035, 0.15, 0.03))
    if look.age > 0.4:
        lines = torch.sin((fy + 0.6) * 48 + 2 * fx**2)
        where = _bump(fx, fy + 0.62, 0.4, 0.13) * c.head
        c.darken(1 - 0.08 * look.age, where * (lines - 0.5).clamp(0, 1) * 2)


def _brows(c: _Canvas, look: Look) -> None:
    hair = torch.tensor(look.hair)[:, None, None].expand_as(c.rgb)
    tone = (hair * 0.75).clamp(max=0.5) * (0.6 + 0.5 * c.shade)
    for sign in (-1.0, 1.0):
        u = sign * c.fx - look.eye_gap
        line = c.eye_y - look.brow_height - 0.035 + 1.3 * (u - 0.03) ** 2 + look.brow_slant * u
        taper = (1 - (u / 0.235).abs() ** 3).clamp(0, 1) * (1 - 0.9 * u.clamp(min=0))
        thick = look.brow_thick * taper
        hairs = 0.8 + 0.2 * c.noise(70)
        cover = c.inside((c.fy - line).abs() - thick, 0.03) * (taper > 0) * hairs
        c.paint(tone, cover * 0.85)


def _eyes(c: _Canvas, look: Look) -> None:
    _brows(c, look)
    open_part = 1 - look.blink
    for sign in (-1.0, 1.0):
        u = (c.fx - sign * look.eye_gap) * sign
        v = c.fy - c.eye_y + look.eye_slant * u
        w, h = look.eye_width, look.eye_height
        t = (1 - (u / w) ** 2).clamp(min=0)
        upper = -h * 1.05 * t**0.75 * open_part + 0.35 * h * t * look.blink
        lower = 0.62 * h * t**0.9
        gap = torch.maximum(upper - v, v - lower)
        eye = c.inside(gap) * (u.abs() < w)
        white = torch.tensor([0.93, 0.91, 0.89])[:, None, None]
        ball = white * (0.55 + 0.4 * c.shade.mean()) * (1 - 0.35 * (u / w) ** 2)
        ball = ball * (0.62 + 0.38 * ((v - upper) / (0.9 * h)).clamp(0, 1))
        c.paint(ball.clamp(0, 1), eye)
        ix, iy = (c.fx - sign * look.eye_gap) - look.gaze, v + 0.12 * h
        r = (ix**2 + iy**2).sqrt()
        radius = 0.072
        rings = 0.75 + 0.5 * (r / radius).clamp(0, 1) * (
            0.8 + 0.2 * torch.sin(9 * torch.atan2(ix, iy))
        )
        iris = torch.tensor(look.iris)[:, None, None] * rings
        iris = iris * (0.75 + 0.6 * ((iy / radius).clamp(-1, 1) * 0.5 + 0.5))
        c.paint(iris.clamp(0, 1), eye * c.inside(r - radius))
        c.darken(0.45, eye * c.inside((r - radius).abs() - 0.008, 0.012))
        c.paint((0.03, 0.03, 0.03), eye * c.inside(r - 0.032))
        glint = ((ix + 0.022 - 0.02 * look.light_x) ** 2 + (iy + 0.028) ** 2).sqrt() - 0.014
        c.paint((1.0, 1.0, 1.0), 0.95 * eye * c.inside(glint))
        ends = (u.abs() < w * 1.05) * t.clamp(0.15, 1) ** 0.3
        lash = c.inside((v - upper).abs() - 0.011 - 0.007 * look.makeup, 0.016) * ends
        c.paint((0.08, 0.06, 0.05), lash * 0.9)
        c.darken(0.72, c.inside((v - lower).abs() - 0.004, 0.02) * ends)
        crease = upper - 0.045 - 0.02 * t
        c.darken(0.72, c.inside((v - crease).abs() - 0.005, 0.025) * (t > 0.1) * t)
        corner = _bump(u + w * 0.95, v - 0.008, 0.02, 0.015)
        c.paint((0.75, 0.45, 0.42), 0.6 * corner)


def _lips(c: _Canvas, look: Look) -> None:
    # The mouth is drawn where the jaw will part it: a flat patch that follows the turn.
    x, y = c.x - look.yaw * 0.95, c.y - look.nod * 0.95
    line = look.split + look.smile * x**2
    w, thick = look.lip_width, look.lip_thick
    t = (1 - (x / w) ** 2).clamp(min=0)
    bow = (
        1
        - 0.35 * torch.exp(-((x / 0.035) ** 2))
        + 0.1 * torch.exp(-(((x.abs() - 0.07) / 0.05) ** 2))
    )
    upper, lower = line - thick * 0.95 * t**0.9 * bow, line + thick * 1.35 * t**0.7
    skin = torch.tensor(look.skin)[:, None, None]
    red = torch.tensor([0.72, 0.26, 0.26])[:, None, None] * (0.35 + 0.75 * skin.mean())
    tone = torch.lerp(skin * torch.tensor([0.86, 0.66, 0.64])[:, None, None], red, look.lip_red)
    body = (y - lower) / (upper - lower - 1e-3)
    round_ = 0.75 + 0.35 * torch.where(y > line, 1 - (2 * body - 0.45).abs(), 0.55 + 0 * y)
    shine = 0.10 * _bump(x - 0.04 * look.light_x, y - line - 0.6 * thick, 0.12, 0.022)
    lips = c.inside(torch.maximum(upper - y, y - lower), 0.02) * (x.abs() < w)
    colour = tone * (0.55 + 0.45 * c.shade) * round_ * (1 + 0.03 * c.noise(60)) + shine
    c.paint(colour.clamp(0, 1), lips * 0.92)
    seam = c.inside((y - line).abs() - 0.007, 0.02) * (x.abs() < w * 1.03)
    c.darken(0.38, seam)
    for sign in (-1.0, 1.0):
        c.darken(0.75, _bump(x - sign * w, y - look.split - look.smile * w**2, 0.03, 0.025))


def _beard(c: _Canvas, look: Look) -> None:
    strength = max(look.beard, 0.45 * look.stubble)
    x, y = c.fx, c.fy
    tone = torch.tensor(look.hair)[:, None, None] * (0.55 + 0.55 * c.shade)
    hairs = 0.82 + 0.12 * c.noise(90)
    if strength:
        rim = _outline(c, look)
        jaw = torch.sigmoid((rim + 0.26 - 0.1 * (y - 0.5)) / 0.05) * torch.sigmoid(
            (y - 0.12) / 0.06
        )
        chin = torch.sigmoid((y - look.split - look.lip_thick * 1.7 - 0.3 * x**2) / 0.03)
        chin = chin * torch.sigmoid((0.42 - x.abs()) / 0.05)
        ring = c.inside(_ellipse(x, y - look.split, 0.40, 0.26).abs() - 0.05, 0.08) * (y > 0.45)
        cover = torch.maximum(torch.maximum(jaw, chin), ring) * c.head
        c.paint(tone.clamp(0, 1), (cover * hairs * (0.2 + 0.75 * strength)).clamp(0, 0.96))
    if look.moustache or strength > 0.3:
        power = max(look.moustache, 0.9 * strength)
        line = look.split - look.lip_thick - 0.045 + 0.5 * x**2
        cover = c.inside((y - line).abs() - 0.04 * (1 - (x / 0.36) ** 2).clamp(min=0), 0.05)
        cover = cover * torch.sigmoid((0.34 - x.abs()) / 0.03)
        c.paint(tone.clamp(0, 1), (cover * hairs * power).clamp(0, 0.96))


def _hair(c: _Canvas, look: Look) -> None:
    if look.style == "bald":
        return
    x, y = c.x, c.y
    grow = {"buzz": 0.015, "curly": 0.20 + look.volume}.get(look.style, look.volume)
    outer = _outline(c, look, grow)
    rough = (0.03 if look.style == "curly" else 0.012) * c.noise(50)
    line = look.hairline + 0.02 * c.noise(30)
    edge = {
        "buzz": line + 0.55 * x**2,
        "short": line + 0.08 * x + 0.45 * x**2,
        "parted": line - 0.10 + 0.30 * (x + 0.25).abs() + 0.55 * (x.abs() - 0.5).clamp(min=0),
        "receding": line - 0.22 + 0.10 * torch.cos(x * 6) + 0.75 * x**2,
        "bob": line + 0.9 * (x.abs() - 0.12).clamp(min=0) ** 1.3,
        "long": line + 0.1 + 1.3 * (x.abs() - 0.02).clamp(min=0) ** 1.4 - 0.15,
        "curly": line + 0.05 + 0.6 * x**2 + 0.03 * c.noise(24),
        "bun": line - 0.05 + 0.75 * x**2,
        "fringe": line + 0.30 + 0.03 * c.noise(40, x * 0.8, y * 0.1) + 0.2 * x**2,
    }[look.style]
    top = y - edge
    side_reach = {"bob": 0.85, "long": 1.5, "curly": 0.55, "fringe": 0.75}.get(look.style, -0.05)
    inner = look.face_width - (0.05 if side_reach < 0.1 else 0.13)
    inner = inner + 0.10 * ((y + 0.3).clamp(0, 1.2))
    sides = torch.maximum(inner - x.abs() + 0.01 * c.noise(30), y - side_reach)
    front = torch.minimum(top, sides)
    if side_reach > 0.1:
        wide = look.face_width + grow + 0.04 + 0.06 * (y > 0) * y
        outer = torch.where(y > 0.0, x.abs() - wide, torch.minimum(outer, outer))
    cover = c.inside(torch.maximum(outer + rough, front), 0.03)
    shadow = c.inside(torch.maximum(outer, front - 0.05), 0.10) * c.head
    c.darken(0.78, shadow)
    strength = 0.72 if look.style == "buzz" else 0.98
    c.paint(c.hair_tone, cover * strength)


def _glasses(c: _Canvas, look: Look) -> None:
    if not look.glasses:
        return
    x, y = c.fx, c.fy
    tone = torch.tensor(look.glasses_colour)[:, None, None].expand_as(c.rgb)
    thick = 0.010 + 0.016 * ((look.seed * 29) % 100) / 100
    for sign in (-1.0, 1.0):
        u, v = x - sign * (look.eye_gap + 0.005), y - c.eye_y - 0.015
        lens = _ellipse(u, v, 0.275, 0.20, look.glasses_round)
        c.rgb = c.rgb + 0.05 * c.inside(lens) * (1 + torch.sin(6 * (u - v)))
        c.darken(0.88, c.inside((lens - 0.02).abs() - thick, 0.05))
        c.paint(tone, c.inside(lens.abs() - thick))
        arm = torch.maximum((v + 0.06).abs() - thick, 0.27 - sign * u)
        c.paint(tone, c.inside(arm) * c.head)
    bridge = torch.maximum(
        (y - c.eye_y + 0.03 + 0.8 * (0.07**2 - x**2)).abs() - thick, x.abs() - (look.eye_gap - 0.27)
    )
    c.paint(tone, c.inside(bridge))


def _camera(c: _Canvas, look: Look) -> None:
    corner = (c.upright_x**2 + c.upright_y**2) * look.scale**2
    c.rgb = c.rgb * (1 - 0.06 * corner)
    soft = F.avg_pool2d(c.rgb[None], 3, 1, 1)[0]
    grain = torch.randn(1, c.side, c.side, generator=c.random) * 0.012
    c.rgb = (torch.lerp(c.rgb, soft, 0.6) + grain).clamp(0, 1)
