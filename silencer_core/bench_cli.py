"""The commands `silencer bench ...`: what is claimed, measured on any photos and voices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from silencer_core.errors import SilencerError

app = typer.Typer(
    help="Measure the built-in generator, or protections, on folders of photos and voices.",
    no_args_is_help=True,
)
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".mp4", ".webm")

Portraits = Annotated[Path | None, typer.Option(help="Folder of photos of faces.")]
Voices = Annotated[Path | None, typer.Option(help="Folder of recordings of speech.")]
Json = Annotated[Path | None, typer.Option("--json", help="The .json to write the figures to.")]


@app.command()
def mini(
    portraits: Portraits = None,
    voices: Voices = None,
    json_file: Json = None,
    sheets: Annotated[Path | None, typer.Option(help="Folder for one sheet per take.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Portraits of each kind, at most.")] = 40,
    guidance: Annotated[float, typer.Option(min=0)] = 2.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; 2 suit two cores.")] = 1,
    weights: Annotated[Path | None, typer.Option(help="Another file than the shipped.")] = None,
) -> None:
    """Does the built-in generator talk, does it listen, does it keep the person?

    Rendered people and synthetic voices that no training saw are always measured; photos and
    recordings where folders of them are given.
    """
    from silencer_core.files import check_folder, write_text
    from silencer_core.generators.mini.bench import Material, measure
    from silencer_core.generators.mini.meter import load_meter
    from silencer_core.generators.mini.subjects import drawn_subjects, photographed_subjects
    from silencer_core.generators.mini.weights import METER, WEIGHTS, load_mini
    from silencer_core.voices import held_out_voices

    if json_file is not None:
        check_folder(json_file)
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
    generator, meter = load_mini(weights or WEIGHTS), load_meter(METER)
    config = generator.config
    with _bar() as show:
        show("finding faces")
        photos = photographed_subjects(portraits, count, config) if portraits else ()
        material = Material(
            list(drawn_subjects(count, config)),
            list(photos),
            held_out_voices(),
            recordings(voices) if voices else [],
        )
        figures = measure(
            generator,
            meter,
            material,
            guidance=guidance,
            sheets=sheets,
            workers=workers,
            progress=lambda done, total: show("animating", done, total),
        )
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=2))
    for line in _lines(figures):
        print(line)


@app.command()
def protect(
    portraits: Annotated[Path, typer.Option(help="Folder of photos of faces.")],
    voices: Voices = None,
    presets: Annotated[str, typer.Option(help="Names separated by commas.")] = "balanced",
    purify: Annotated[
        str, typer.Option(help="Clean-ups of the attacker, separated by semicolons.")
    ] = "none;jpeg:75,resize:0.5",
    guidance: Annotated[
        str, typer.Option(help="The attacker's, separated by commas; default = the generator's.")
    ] = "1,default",
    json_file: Json = None,
    count: Annotated[int, typer.Option(min=1, help="Portraits, at most.")] = 20,
    frames: Annotated[int, typer.Option(min=1, help="Video frames per attack.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Processes; not on a GPU.")] = 1,
    generator: Annotated[
        Path | None, typer.Option("-g", "--generator", help="The built-in one if none.")
    ] = None,
) -> None:
    """How far do protections hold, over portraits, clean-ups and guidances?

    Protects against the package's own voices and attacks with others: those of the folder, or the
    held-out ones that come with the package.
    """
    from dataclasses import asdict

    from silencer_core.bench_protect import Trial, photos_with_a_face, rows, try_presets
    from silencer_core.files import check_folder, write_text
    from silencer_core.generators import load_generator
    from silencer_core.presets import preset
    from silencer_core.purifiers.sequence import parse
    from silencer_core.scores.report import plain
    from silencer_core.voices import held_out_voices

    if json_file is not None:
        check_folder(json_file)
    chosen = [preset(name.strip()) for name in presets.split(",")]
    cleaned = [sequence.strip() for sequence in purify.split(";")]
    for sequence in cleaned:
        parse(sequence)
    asked = [_guidance(text.strip()) for text in guidance.split(",")]
    loaded = load_generator(generator)
    tried = []
    with _bar() as show:
        show("finding faces")
        photos = list(photos_with_a_face(portraits, count, loaded))
        heard = recordings(voices) if voices else held_out_voices()
        trial = Trial(loaded, heard, chosen, cleaned, asked, frames)
        for number, found in enumerate(try_presets(trial, photos, workers), start=1):
            tried += found
            show("protecting and attacking", number, len(photos))
            if json_file is not None:  # what is measured is kept, whatever happens next
                found = {"rows": rows(tried), "portraits": [asdict(one) for one in tried]}
                write_text(json_file, json.dumps(plain(found), indent=1))
    for row in rows(tried):
        print(
            f"{row['preset']:10} {row['purify']:22} guidance {row['guidance']:<4g} "
            f"gain {_span(row['gain_ratio'])} p90 {row['gain_ratio']['p90']:.2f}, "
            f"window {_span(row['window_ratio'])}, noise {_span(row['noise_gain_ratio'])}, "
            f"identity -{row['identity_drop_db']:.1f} dB, {row['psnr']:.1f} dB, "
            f"SSIM {row['ssim']:.3f}, {row['seconds']:.0f} s"
        )


def _guidance(text: str) -> float | None:
    if text == "default":
        return None
    try:
        return float(text)
    except ValueError:
        raise SilencerError(f"guidance {text!r} is neither a number nor default.") from None


def _span(figure: dict) -> str:
    return f"{figure['median']:.2f} ({figure['low']:.2f}..{figure['high']:.2f})"


def recordings(folder: Path) -> list:
    """All recordings of a folder, in order of their names.

    Raises:
        SilencerError: no recording there.
    """
    from silencer_core.audio import read_speech

    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SOUNDS)
    if not paths:
        raise SilencerError(f"{folder}: no recording was found there.")
    return [read_speech(path) for path in paths]


def _lines(figures: dict, prefix: str = "") -> Iterator[str]:
    for name, value in figures.items():
        if isinstance(value, dict) and "median" in value:
            span = f"{value['low']:.3f} .. {value['high']:.3f}"
            yield f"{prefix + name:28} {value['median']:8.3f}   {span}   n {value['count']}"
        elif isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        else:
            yield f"{prefix + name:28} {value:8.3f}"


@contextmanager
def _bar() -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda doing, done=0, total=None: bar.update(
            task, description=doing, completed=done, total=total
        )
