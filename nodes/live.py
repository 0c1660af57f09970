"""What the page sees of a protection while it is made, and when it is done."""

from __future__ import annotations

import base64
import io
import math
import time
from typing import TYPE_CHECKING, Any

from server import PromptServer
from torch import Tensor

from .host import Bar, picture
from .values import amplified

if TYPE_CHECKING:
    from silencer_core.optimise.descent import Progress
    from silencer_core.presets import Preset
    from silencer_core.protect import Protection, Seen

EVENT = "silencer.protect"
_BETWEEN_PICTURES = 1.0  # seconds
_SIDE = 384  # of the pictures, pixels
_MOST_DB = 100.0  # stands for no change at all


class Live:
    """Progress bar and event after every step; to be called as `protect` calls its `progress`.

    Args:
        node: whose panel it is for.
        how: the settings.
        faces: in all photos together.
    """

    def __init__(self, node: str, how: Preset, faces: int) -> None:
        self.node, self.bar = node, Bar()
        self.total = faces * (how.descent.steps + how.latent.steps)
        self.history: list[dict[str, float | None]] = []
        self.earlier, self.last_step = 0, 0
        self.began, self.shown = time.monotonic(), -math.inf

    def __call__(self, state: Progress, seen: Seen) -> None:
        if state.step < self.last_step:  # another stage, or another face
            self.earlier += self.last_step
        self.last_step = state.step
        done = self.earlier + state.step
        point = {"step": done, "loss": finite(state.loss), "validation": finite(state.validation)}
        if state.step:
            self.history.append(point)
        event = point | {
            "node": self.node,
            "steps": self.total,
            "start_loss": self.history[0]["loss"] if self.history else point["loss"],
            "remaining": finite(state.validation / state.began) if state.began else None,
            "psnr": round(psnr(seen.before, seen.after), 2),
            "seconds_left": round(self._left(state), 1),
        }
        server = PromptServer.instance
        server.send_sync(EVENT, event | self._pictures(seen, done), server.client_id)
        self.bar(done, self.total)

    def _left(self, state: Progress) -> float:
        """Seconds, with the stages and faces that follow taking as long as this one."""
        to_come = state.steps - state.step
        each = state.left / to_come if to_come else state.seconds / state.steps
        return each * (self.total - self.earlier - state.step)

    def _pictures(self, seen: Seen, done: int) -> dict[str, str | None]:
        now = time.monotonic()
        if now - self.shown < _BETWEEN_PICTURES and done < self.total:
            return {"photo": None, "change": None}
        self.shown = now
        change = amplified(seen.before, seen.after)
        return {"photo": data_url(seen.after), "change": data_url(change)}

    def summary(self, done: Protection) -> dict[str, Any]:
        """What stays on the panel, of the first face."""
        face = done.report.faces[0]
        remaining = finite(face.after / face.before) if face.before else None
        seen = face.visibility
        left = "" if remaining is None else f"{remaining:.0%} of the audio's influence remains; "
        return {
            "kind": "protect",
            "history": self.history,
            "psnr": finite(min(seen.psnr, _MOST_DB)),
            "ssim": finite(seen.ssim),
            "seconds": round(time.monotonic() - self.began, 1),
            "steps": face.steps,
            "stopped": face.stopped,
            "remaining": remaining,
            "verdict": f"{left}the face differs by {min(seen.psnr, _MOST_DB):.1f} dB. "
            "Score Protection says what it comes to.",
        }


def finite(value: float) -> float | None:
    """The page drops a message that holds anything but finite numbers."""
    return value if math.isfinite(value) else None


def psnr(before: Tensor, after: Tensor) -> float:
    """Of the face, in dB, at most `_MOST_DB`."""
    error = float((after - before).square().mean())
    return min(_MOST_DB, -10 * math.log10(error)) if error else _MOST_DB


def data_url(pixels: Tensor) -> str:
    """A small JPEG of `[3, H, W]` in 0..1."""
    small = picture(pixels)
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
