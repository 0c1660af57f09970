"""Workers that take no time and do as a photo's name says, to test what is around workers.

As a program, a batch with them: `python batch_toys.py IN OUT WORKERS SECONDS`.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, PngImagePlugin

from silencer_core.batch.dispatch import outcomes
from silencer_core.batch.local import LocalCrew
from silencer_core.batch.worker import Done, Failed, Outcome, Task
from silencer_core.errors import SilencerError


@dataclass(frozen=True)
class ToyRecipe:
    """`notes`: a folder where workers note which photos they began, one file each time."""

    notes: str
    seed: int = 0
    seconds: float = 0.0
    device: str | None = None
    usable: bool = True

    def settings(self) -> dict:
        return {"seed": self.seed}


class ToyWorker:
    """The protected photo is the negative of the photo, its first pixel the seed."""

    def __init__(self, recipe: ToyRecipe, device: str | None = None) -> None:
        if not recipe.usable:
            raise SilencerError("the toys are broken")
        self.recipe = recipe

    def protect(self, task: Task) -> Outcome:
        name = Path(task.name).name
        note = Path(self.recipe.notes) / f"{name}.{os.getpid()}.{time.monotonic_ns()}"
        note.touch()
        begun = len(list(Path(self.recipe.notes).glob(f"{name}.*")))
        if name.startswith("deadly") or (name.startswith("once") and begun == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("bad"):
            return Failed(f"{task.name}: is bad")
        time.sleep(self.recipe.seconds)
        picture = ImageOps.invert(Image.open(io.BytesIO(task.content)).convert("RGB"))
        picture.putpixel((0, 0), (self.recipe.seed, 0, 0))
        png = io.BytesIO()
        note = PngImagePlugin.PngInfo()
        note.add_text("Silencer", "toy")  # not imported: torch would come with it
        picture.save(png, format="PNG", pnginfo=note)
        return Done(png.getvalue(), {"toy": True}, None, self.recipe.seconds, 0.0)


def toy_crew(recipe: ToyRecipe, size: int):
    """Worker processes, as `run_batch` takes them."""
    return lambda tasks, most: outcomes(LocalCrew(recipe, min(size, most), ToyWorker), tasks)


def toy_here(recipe: ToyRecipe):
    """One worker in this process, as `run_batch` takes it."""
    worker = ToyWorker(recipe)
    return lambda tasks, _: ((task, worker.protect(task)) for task in tasks)


def write_photos(folder: Path, names: list[str]) -> None:
    """A small photo per name, each different."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.radial_gradient("L").resize((96, 80)).convert("RGB")
        picture.putpixel((5, 5), (number % 256, number // 256, 7))
        picture.save(path)


def main() -> None:
    from silencer_core.batch.run import run_batch

    photos, output, workers, seconds = sys.argv[1:]
    notes = Path(output).with_name("notes")
    notes.mkdir(exist_ok=True)
    recipe = ToyRecipe(str(notes), seconds=float(seconds))
    summary = run_batch(Path(photos), Path(output), recipe, toy_crew(recipe, int(workers)))
    print(f"{summary.protected} {summary.skipped} {len(summary.failures)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
