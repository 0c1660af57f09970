"""The command `silencer demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    photo: Annotated[
        Path | None, typer.Option(help="Picture of a face; the astronaut Eileen Collins if none.")
    ] = None,
    speech: Annotated[
        Path | None, typer.Option(help="Recording for the attack; a synthesised sentence if none.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    preset: Annotated[str, typer.Option(help="fast, balanced or strong.")] = "balanced",
    generator: Annotated[
        Path | None, typer.Option("-g", "--generator", help="The built-in one if none.")
    ] = None,
) -> None:
    """Protect one photo, make it talk before and after, and leave the results in a folder.

    The recording is not used to protect. Use photos that you may use.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from silencer_core.audio import read_speech
    from silencer_core.demo import demo_photo, demonstrate
    from silencer_core.generators import load_generator
    from silencer_core.photo import read_photo
    from silencer_core.scores.tables import score_table
    from silencer_core.voices import held_out_voices

    picture = read_photo(photo) if photo else demo_photo()
    heard = read_speech(speech) if speech else held_out_voices()[-1]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("loading", total=None)
        made = demonstrate(
            picture,
            heard,
            load_generator(generator),
            out,
            preset,
            lambda doing, done, total: bar.update(
                task, description=doing, completed=done, total=total
            ),
        )
    Console().print(score_table(made.grid.reports[0]))
    print(f"verdict: {made.grid.verdict}")
    for path in (made.photo, made.video, made.strip, made.plot, made.report):
        print(path)
