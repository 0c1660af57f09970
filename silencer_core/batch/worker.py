"""One photo in, one protected photo out, as bytes; the generator is loaded once."""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from silencer_core.errors import Cancelled, SilencerError

if TYPE_CHECKING:
    from silencer_core.generators.hallo.generator import Hallo

    from .recipe import Recipe


@dataclass(frozen=True)
class Task:
    """A photo to protect: `name` as messages call it, `content` of its file."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Done:
    """A protected photo.

    Attributes:
        png: content of the file to write.
        report: `ProtectionReport` as plain values.
        protected_before: what the photo said about an earlier protection, if it did.
        seconds, cpu_seconds: that it took, by the clock and of this process.
    """

    png: bytes
    report: dict
    protected_before: str | None
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Failed:
    """Why a photo could not be protected; `trace` only where that is a bug of the program."""

    message: str
    trace: str | None = None


Outcome = Done | Failed


class Worker:
    """Protects one photo after the other with one recipe.

    Args:
        recipe: what is done.
        device: where, instead of the recipe's.
        generator: already loaded; by default the recipe's is.

    Raises:
        SilencerError: the generator cannot be loaded.
    """

    def __init__(
        self, recipe: Recipe, device: str | None = None, generator: Hallo | None = None
    ) -> None:
        from silencer_core.generators import load_generator

        self.recipe = recipe
        self.generator = generator or load_generator(recipe.generator, device or recipe.device)
        self.faces = self.generator.faces()

    def protect(self, task: Task, cancelled: Callable[[], bool] | None = None) -> Outcome:
        """Protect a photo. Whatever goes wrong with it is the outcome, not an exception.

        Raises:
            Cancelled: `cancelled` said yes; there is no outcome then.
        """
        from silencer_core.memory import is_out_of_memory

        began = time.monotonic(), time.process_time()
        try:
            return self._protect(task, cancelled, began)
        except Cancelled:
            raise
        except SilencerError as error:
            return Failed(_about(task, str(error)))
        except Exception as error:
            if is_out_of_memory(error):
                return Failed(f"{task.name}: does not fit into the memory; scale the photo down.")
            reason = f"{type(error).__name__}: {error}"
            return Failed(
                f"{task.name}: an error in Silencer itself ({reason}); please report it.",
                traceback.format_exc(),
            )

    def _protect(
        self, task: Task, cancelled: Callable[[], bool] | None, began: tuple[float, float]
    ) -> Outcome:
        from silencer_core.memory import protect_within_memory
        from silencer_core.photo import photo_from_bytes, png_of

        recipe = self.recipe
        photo = photo_from_bytes(task.content, task.name)
        done = protect_within_memory(
            photo,
            self.generator,
            recipe.voices,
            recipe.how,
            faces=recipe.faces,
            seed=recipe.seed,
            backend=self.faces,
            cancelled=cancelled,
        )
        if any(face.stopped == "cancelled" for face in done.report.faces):
            raise Cancelled
        return Done(
            png_of(done.photo),
            dataclasses.asdict(done.report),
            photo.protection,
            time.monotonic() - began[0],
            time.process_time() - began[1],
        )


def _about(task: Task, message: str) -> str:
    if message.startswith(task.name):
        return message
    return f"{task.name}: {message.removeprefix('photo: ')}"
