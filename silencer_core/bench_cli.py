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
            progress=lambda done, total: show("animating", done, total),
        )
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=2))
    for line in _lines(figures):
        print(line)


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
