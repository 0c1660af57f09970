"""The command line. Every command reads its input first, and loads the generator last."""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from silencer_core import __version__
from silencer_core.batch_cli import batch
from silencer_core.bench_cli import app as bench_app
from silencer_core.demo_cli import demo
from silencer_core.errors import SilencerError
from silencer_core.files import check_folder
from silencer_core.models_cli import app as models_app
from silencer_core.protect_cli import protect
from silencer_core.verify_cli import score, verify

INTERRUPTED = 130  # what shells report for Ctrl-C

app = typer.Typer(
    help="Protect a portrait from being made to talk, and verify that the protection holds.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(protect)
app.command()(batch)
app.command()(score)
app.command()(verify)
app.command()(demo)
app.add_typer(models_app, name="models")
app.add_typer(bench_app, name="bench")


class Precision(str, enum.Enum):
    """Of the generator's networks."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 1."""
    # Threads that spin while they wait stall each other on shared cores: thirty times slower was
    # seen beside two other programs. The OpenMP runtime reads this when torch loads it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # names may hold what no encoding has
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except SilencerError as error:
        print(f"silencer: {_one_line(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if os.environ.get("SILENCER_DEBUG"):
            raise
        print(f"silencer: {_unexpected(error)}", file=sys.stderr)
        sys.exit(1)


def _one_line(message: str) -> str:
    """Without what could move the cursor: names of files may hold anything."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)


def _unexpected(error: Exception) -> str:
    """One line about what is nobody's mistake, or ours."""
    reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if isinstance(error, OSError):
        return f"a file could not be used ({reason})."
    if isinstance(error, MemoryError) or "out of memory" in reason.lower():
        return f"the memory is not enough ({reason}); use a smaller photo, or close programs."
    return (
        f"an error in Silencer itself ({reason}); SILENCER_DEBUG=1 shows where. Please report it."
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"silencer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def _three_numbers(text: str) -> tuple[float, float, float]:
    try:
        full, face, lip = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not three numbers separated by commas, such as 1,1,1.",
            param_hint="--motion-scale",
        ) from error
    return full, face, lip


def _which_face(text: str) -> str | int:
    if text == "largest":
        return text
    if text.isdecimal():
        return int(text)
    raise typer.BadParameter(
        f"{text!r} is neither largest nor a number from 0.", param_hint="--face"
    )


@app.command()
def attack(
    photo: Annotated[Path, typer.Argument(help="Picture of a face: PNG, JPEG, WebP, ...")],
    speech: Annotated[Path, typer.Argument(help="Recording: WAV, FLAC, OGG, MP3, M4A, ...")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .mp4 to write.")],
    generator: Annotated[
        Path | None,
        typer.Option(
            "-g",
            "--generator",
            help="A folder in the published layout, or a converted file; the built-in one if none.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noise: the same seed, the same frames.")] = 42,
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Denoising steps per clip; the generator's own if none"),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of face and speech; 1 is the fastest."),
    ] = None,
    motion_scale: Annotated[
        str,
        typer.Option(metavar="FULL,FACE,LIP", help="How strongly the speech moves each region."),
    ] = "1,1,1",
    face: Annotated[
        str,
        typer.Option(
            metavar="largest|N", help="Which face of several; counted by size, from 0 for largest."
        ),
    ] = "largest",
    face_mask: Annotated[
        Path | None, typer.Option(help="Picture, white on the face, instead of finding it.")
    ] = None,
    lip_mask: Annotated[Path | None, typer.Option(help="Picture, white on the lips.")] = None,
    whole_photo: Annotated[
        bool, typer.Option("--whole-photo", help="Take the whole photo, not a square at the face.")
    ] = False,
    visible_mark: Annotated[
        bool,
        typer.Option(
            "--visible-mark/--no-visible-mark",
            help='"SYNTHETIC" in a corner. The metadata says it in any case.',
        ),
    ] = True,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the best one present if none.")
    ] = None,
    dtype: Annotated[Precision | None, typer.Option(help="Precision of the networks.")] = None,
) -> None:
    """Make the photo say the recording, as an attacker would: the proof of a protection.

    The video is marked as synthetic. Use photos of people who agreed to it.
    """
    _check_output(output)
    _check_device(device)
    scale, which = _three_numbers(motion_scale), _which_face(face)

    import torch

    from silencer_core.audio import read_speech
    from silencer_core.generators import load_generator
    from silencer_core.generators.hallo.sampling import animate
    from silencer_core.photo import read_photo
    from silencer_core.video import write_video

    picture, recording = read_photo(photo), read_speech(speech)
    masks = {
        name: read_photo(path).pixels.mean(0)
        for name, path in (("face_mask", face_mask), ("lip_mask", lip_mask))
        if path is not None
    }
    with _progress() as show:
        show("loading the generator")
        loaded = load_generator(generator, device, dtype and getattr(torch, dtype.value))
        show("finding the face")
        fps = loaded.config.fps
        portrait = loaded.find_portrait(picture.pixels, which=which, whole=whole_photo, **masks)
        if not portrait.embedding.any():
            print(
                "silencer: no face model identifies the person, so the generator is told of "
                "nobody; with the published ONNX models it follows the face more closely.",
                file=sys.stderr,
            )
        show("listening")
        driving = loaded.drive(recording)
        show("animating")
        frames = animate(
            loaded,
            portrait,
            driving,
            steps=steps,
            guidance=guidance,
            motion_scale=scale,
            seed=seed,
            progress=lambda done, total: show("animating", done, total),
        )
        count = write_video(output, frames, recording, fps=fps, visible_mark=visible_mark)
    print(f"{output}: {count} frames, {count / fps:.2f} s")


@app.command()
def purify(
    photo: Annotated[Path, typer.Argument(help="Picture: PNG, JPEG, WebP, ...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .png to write.")],
    sequence: Annotated[
        str,
        typer.Option(
            help="Steps in order, with their strength: jpeg:75,resize:0.5. Others: webp, crop, "
            "blur, median, bilateral, guided, grey, noise; with a generator also sdedit:0.15, "
            "gridpure and upscale."
        ),
    ] = "jpeg:75,resize:0.5",
    generator: Annotated[
        Path | None,
        typer.Option(
            "-g",
            "--generator",
            help="What denoises in sdedit, gridpure and upscale: a folder in the published "
            "layout, or a converted file; the built-in generator if none.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the steps that draw noise.")] = 0,
) -> None:
    """Do to a photo what platforms and attackers do before a generator sees it."""
    from silencer_core.purifiers.sequence import needs_generator, parse

    steps = parse(sequence)
    check_folder(output)
    from silencer_core.photo import Photo, read_photo, write_photo
    from silencer_core.purifiers.sequence import purify as purify_pixels

    pixels, denoiser = read_photo(photo).pixels, None
    if needs_generator(steps):
        from silencer_core.generators import load_generator

        denoiser = load_generator(generator)
    pixels = purify_pixels(pixels, steps, seed, denoiser)
    write_photo(Photo(pixels), output)
    height, width = pixels.shape[1:]
    print(f"{output}: {width} x {height} after {','.join(map(str, steps)) or 'none'}")


def _check_output(output: Path) -> None:
    """Before any work: that the video can be written where it is wanted."""
    if output.suffix.lower() != ".mp4":
        raise SilencerError(f"{output}: the output is a video; choose a name that ends in .mp4.")
    check_folder(output)


def _check_device(device: str | None) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # unknown name; built without this device
        reason = str(error).partition("\n")[0]
        raise typer.BadParameter(
            f"{device!r} cannot be used here: {reason}", param_hint="--device"
        ) from error


@contextmanager
def _progress() -> Iterator[Callable[..., None]]:
    """A line on stderr: `show(doing, done, total)`; with a total, a bar and the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        speed_estimate_period=600,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda doing, done=0, total=None: bar.update(
            task, description=doing, completed=done, total=total
        )


if __name__ == "__main__":
    main()
