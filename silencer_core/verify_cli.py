"""The commands `silencer score` and `silencer verify`: what a protection changes and does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from silencer_core.audio import Speech
    from silencer_core.scores.grid import Grid

DEFAULT_FRAMES = 64  # of each recording: four clips

Before = Annotated[Path, typer.Argument(help="The photo before it was protected.")]
After = Annotated[Path, typer.Argument(help="The protected photo, as it was saved.")]
Speeches = Annotated[
    list[Path] | None,
    typer.Option("--speech", help="Recording not used to protect; may be given several times."),
]
Generator = Annotated[
    Path | None,
    typer.Option(
        "-g",
        "--generator",
        help="What the attacker has: a folder or a converted file; the built-in one if none.",
    ),
]
Seeds = Annotated[
    list[int] | None, typer.Option("--seed", help="Of the noise; may be given several times.")
]
Frames = Annotated[
    int, typer.Option(min=1, help="Video frames of each recording, from where speech begins.")
]
Steps = Annotated[
    int | None, typer.Option(min=1, max=1000, help="Denoising steps; the generator's own if none.")
]
Face = Annotated[
    str, typer.Option(metavar="largest|N", help="Which face; counted by size, from 0 for largest.")
]
Json = Annotated[Path | None, typer.Option("--json", help="The .json to write.")]
Png = Annotated[Path | None, typer.Option("--png", help="The .png to write.")]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the best one present if none.")
]


def score(
    before: Before,
    after: After,
    speech: Speeches = None,
    generator: Generator = None,
    guidance: Annotated[
        float | None, typer.Option(min=0, help="Of the attack; the generator's own if none.")
    ] = None,
    purify: Annotated[str, typer.Option(help="Clean-up before the attack.")] = "none",
    seed: Seeds = None,
    frames: Frames = DEFAULT_FRAMES,
    steps: Steps = None,
    face: Face = "largest",
    json_file: Json = None,
    png: Png = None,
    device: Device = None,
) -> None:
    """Say how visible a protection is and, with --speech, what it does to an attack.

    The picture (--png) shows the mouth over time: asked for by speech, and measured.
    """
    _check_outputs(json_file, png, needs_speech=png is not None and not speech)
    import json

    from silencer_core.files import write_text
    from silencer_core.scores import tables

    photos = _photos(before, after)
    if not speech:
        seen = _visibility(*photos, _which(face))
        if json_file is not None:
            write_text(json_file, json.dumps({"visibility": _plain(seen)}, indent=2))
        _console().print(tables.visibility_table(seen))
        return
    grid = _verified(
        photos,
        _speeches(speech),
        generator,
        device,
        purifiers=[purify],
        guidances=[guidance],
        seeds=seed or [7],
        frames=frames,
        steps=steps,
        which=_which(face),
    )
    (report,) = grid.reports
    if json_file is not None:
        write_text(json_file, grid.to_json())
    if png is not None:
        from silencer_core.scores.pictures import plot_openings, save_png

        lines = {one.photo: one.openings[0] for one in report.everyone}
        save_png(plot_openings(report.asked[0], lines), png)
    _show_visibility(grid)
    _console().print(tables.score_table(report))
    _conclude(grid)


def verify(
    before: Before,
    after: After,
    speech: Speeches = None,
    generator: Generator = None,
    purify: Annotated[
        str, typer.Option(help="Clean-ups to try, separated by semicolons; none is one of them.")
    ] = "none;jpeg:75,resize:0.5",
    guidance: Annotated[
        str,
        typer.Option(help="The attacker's, separated by commas; default is the generator's own."),
    ] = "1,2,default",
    seed: Seeds = None,
    frames: Frames = DEFAULT_FRAMES,
    steps: Steps = None,
    controls: Annotated[
        bool, typer.Option(help="Also attack random noise as large as the protection.")
    ] = True,
    face: Face = "largest",
    json_file: Json = None,
    png: Png = None,
    device: Device = None,
) -> None:
    """Attack a photo before and after protection, under clean-ups and guidances, and score.

    Without --speech two of the built-in held-out voices are used. The picture (--png) is a map of
    what is left of the mouth's following. Ends with status 0 whatever the verdict.
    """
    _check_outputs(json_file, png)
    purifiers, guidances = _purifiers(purify), _guidances(guidance)

    from silencer_core.files import write_text
    from silencer_core.scores import tables

    grid = _verified(
        _photos(before, after),
        _speeches(speech),
        generator,
        device,
        purifiers=purifiers,
        guidances=guidances,
        seeds=seed or [7],
        controls=controls,
        frames=frames,
        steps=steps,
        which=_which(face),
    )
    if json_file is not None:
        write_text(json_file, grid.to_json())
    if png is not None:
        from silencer_core.scores.pictures import heat_map, save_png

        save_png(heat_map(grid), png)
    _show_visibility(grid)
    _console().print(tables.robustness_table(grid.reports))
    _conclude(grid)


# input


def _check_outputs(json_file: Path | None, png: Path | None, needs_speech: bool = False) -> None:
    from silencer_core.files import check_folder

    if needs_speech:
        raise typer.BadParameter("the picture shows an attack; give --speech", param_hint="--png")
    if png is not None and png.suffix.lower() != ".png":
        raise typer.BadParameter(f"{png} does not end in .png", param_hint="--png")
    for path in (json_file, png):
        if path is not None:
            check_folder(path)


def _which(text: str) -> Any:
    if text == "largest" or text.isdecimal():
        return text if text == "largest" else int(text)
    raise typer.BadParameter(
        f"{text!r} is neither largest nor a number from 0.", param_hint="--face"
    )


def _purifiers(text: str) -> list[str]:
    from silencer_core.purifiers.sequence import parse

    names = [name.strip() for name in text.split(";") if name.strip()]
    for name in names:
        parse(name)
    if not names:
        raise typer.BadParameter("is empty; none stands for no clean-up", param_hint="--purify")
    return names


def _guidances(text: str) -> list[float | None]:
    try:
        found = [None if one.strip() == "default" else float(one) for one in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not numbers separated by commas, such as 1,2,default.",
            param_hint="--guidance",
        ) from None
    return found


def _photos(before: Path, after: Path) -> tuple[Any, Any]:
    """Pixels `[3, H, W]` of both, of one size and different."""
    from silencer_core.photo import read_photo
    from silencer_core.scores.controls import check_pair

    photos = read_photo(before).pixels, read_photo(after).pixels
    check_pair(*photos)
    return photos


def _speeches(paths: list[Path] | None) -> list[Speech]:
    from silencer_core.audio import read_speech

    if paths:
        return [read_speech(path) for path in paths]
    from silencer_core.voices import held_out_voices

    return held_out_voices()[:2]


# work


def _verified(
    photos: tuple[Any, Any],
    speeches: list[Speech],
    generator: Path | None,
    device: str | None,
    **options: Any,
) -> Grid:
    from silencer_core.generators import load_generator
    from silencer_core.scores.verify import verify as verify_photos

    with _progress() as show:
        show("loading the generator")
        loaded = load_generator(generator, device)
        return verify_photos(loaded, *photos, speeches, progress=show, **options)


def _visibility(before: Any, after: Any, which: Any) -> dict[str, Any]:
    """Over the photo, and over its face where one is found."""
    from silencer_core.errors import SilencerError
    from silencer_core.portrait import find_portrait
    from silencer_core.scores.image import visibility

    seen = {"photo": visibility(before, after)}
    try:
        portrait = find_portrait(before, 128, which=which)
    except SilencerError as error:
        print(f"silencer: compared over the photo only: {error}", file=sys.stderr)
        return seen
    rows, columns = portrait.window.slices
    return seen | {"face": visibility(before[:, rows, columns], after[:, rows, columns])}


def _plain(seen: dict[str, Any]) -> Any:
    import dataclasses

    from silencer_core.scores.report import plain

    return plain({name: dataclasses.asdict(one) for name, one in seen.items()})


# output


def _show_visibility(grid: Grid) -> None:
    from silencer_core.scores.tables import visibility_table

    rows = {"photo, protected": grid.photo, "face, protected": grid.face}
    rows |= {f"face, {name}": seen for name, seen in grid.controls.items()}
    _console().print(visibility_table(rows))


def _conclude(grid: Grid) -> None:
    from silencer_core.scores.report import PROTECTED_GAIN, PROTECTED_WINDOW, WEAKENED_GAIN

    console = _console()
    for note in grid.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    guidance = grid.judged[0].guidance
    console.print(
        f"{grid.verdict} at guidance {guidance:g} (protected: relative gain up to "
        f"{PROTECTED_GAIN:g} and relative window up to {PROTECTED_WINDOW:g}; weakened: relative "
        f"gain up to {WEAKENED_GAIN:g}; the worst clean-up counts)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


@contextmanager
def _progress() -> Iterator[Callable[..., None]]:
    """A line on stderr: `show(doing, done, total)`; with a total, a bar and the time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, console=_console(stderr=True), speed_estimate_period=600, transient=True
    )
    with bar:
        task = bar.add_task("", total=None)
        yield lambda doing, done=0, total=None: bar.update(
            task, description=doing, completed=done, total=total
        )
