"""The command `silencer protect`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from silencer_core.errors import SilencerError

from .protect_options import (
    Against,
    Also,
    Device,
    Face,
    PresetName,
    Speeches,
    Steps,
    faces_of,
    preset_with,
)


def protect(
    photo: Annotated[Path, typer.Argument(help="Picture of a face: PNG, JPEG, WebP, ...")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .png to write.")],
    speech: Speeches = None,
    preset: PresetName = "balanced",
    steps: Steps = None,
    face: Face = "largest",
    face_mask: Annotated[
        Path | None, typer.Option(help="Picture, white on the face, instead of finding it.")
    ] = None,
    lip_mask: Annotated[Path | None, typer.Option(help="Picture, white on the lips.")] = None,
    report: Annotated[Path | None, typer.Option(help="The .json to write the report to.")] = None,
    generator: Against = None,
    also: Also = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same result.")] = 0,
    device: Device = None,
) -> None:
    """Change a photo a little, so that a generator fed with it ignores the audio.

    Ctrl-C stops early and keeps the best result so far. Protect photos that you may use.
    """
    from silencer_core.audio import read_speech
    from silencer_core.files import check_folder, write_text
    from silencer_core.generators import load_generator
    from silencer_core.photo import read_photo, write_photo
    from silencer_core.protect import protect as protect_photo

    chosen, faces = preset_with(preset, steps), faces_of(face)
    if output.suffix.lower() != ".png":
        raise SilencerError(
            f"{output}: the protected photo is written as PNG, without loss, since saving it as "
            "JPEG weakens it; choose a name that ends in .png."
        )
    for path in (output, report):
        if path is not None:
            check_folder(path)
    picture = read_photo(photo)
    if picture.protection is not None:
        print(
            f"silencer: {photo} is protected already ({picture.protection}); a second change adds "
            "to the first. Start from the original where you have it.",
            file=sys.stderr,
        )
    speeches = [read_speech(path) for path in speech] if speech else None
    masks = {
        name: read_photo(path).pixels.mean(0)
        for name, path in (("face_mask", face_mask), ("lip_mask", lip_mask))
        if path is not None
    }
    loaded = load_generator(generator, device)
    further = [load_generator(path, device) for path in also or []]
    with _stop_once() as stopped, _bar() as show:
        done = protect_photo(
            picture,
            loaded,
            speeches,
            chosen,
            also=further,
            faces=faces,
            seed=seed,
            progress=lambda state, _: show(state),
            cancelled=stopped,
            **masks,
        )
    write_photo(done.photo, output)
    if report is not None:
        write_text(report, done.report.to_json())
    for number, one in enumerate(done.report.faces):
        print(
            f"{output}: face {number}, {one.stopped} after {one.steps} steps and "
            f"{one.seconds:.0f} s, what the audio moves {one.before:.3g} -> {one.after:.3g}, "
            f"PSNR {one.visibility.psnr:.1f} dB, SSIM {one.visibility.ssim:.3f}"
        )
        if one.after >= one.before:
            print(
                f"silencer: face {number} is as it was: nothing was found that helps. Try another "
                "seed, more steps, or recordings of your own (--speech).",
                file=sys.stderr,
            )


@contextmanager
def _stop_once() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks to stop, the second interrupts."""
    asked = []

    def ask(*_: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(True)
        print("silencer: stopping; the best so far is kept.", file=sys.stderr)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar() -> Iterator[Callable]:
    """A line on stderr with loss, validation figure and time left; says the estimate first."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("preparing", total=None)

        def show(state) -> None:
            if state.step == 0:
                console.print(f"about {state.left:.0f} s for {state.steps} steps")
            figures = f"loss {state.loss:.3g}, best {state.validation:.3g}"
            bar.update(task, description=figures, completed=state.step, total=state.steps)

        yield show
