"""The command `silencer batch`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .protect_options import (
    Against,
    Device,
    Face,
    PresetName,
    Speeches,
    Steps,
    faces_of,
    preset_with,
)

if TYPE_CHECKING:
    from silencer_core.batch.recipe import Recipe
    from silencer_core.batch.run import Outcomes, State, Summary

_LISTED = 20  # failures shown at the end; all are in the manifest


def batch(
    photos: Annotated[Path, typer.Argument(metavar="IN_DIR", help="Folder of photos.")],
    output: Annotated[
        Path,
        typer.Argument(metavar="OUT_DIR", help="Gets the same folders, and manifest.jsonl."),
    ],
    speech: Speeches = None,
    preset: PresetName = "balanced",
    steps: Steps = None,
    face: Face = "largest",
    generator: Against = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**62, help="The same seed, the same results.")
    ] = 0,
    device: Device = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Workers; one per core or GPU if none."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Work on this Ray cluster: HOST:PORT, auto, or local."
        ),
    ] = None,
) -> None:
    """Protect every photo in a folder and the folders below it.

    End it at any moment and run it again: what is complete is skipped. Changed photos or settings
    are done anew. Ends with status 1 if a photo could not be protected.
    """
    if ray is None:
        from silencer_core.batch.local import prepare

        prepare()
    recipe = _recipe(preset, steps, face, generator, seed, device, speech)
    crew = _ray(recipe, ray, jobs) if ray is not None else _local(recipe, jobs)

    from silencer_core.batch.run import run_batch

    with crew as outcomes, _bar() as show:
        summary = run_batch(photos, output, recipe, outcomes, show)
    _tell(summary, output)
    if summary.failures:
        raise typer.Exit(1)


def _recipe(
    preset: str,
    steps: int | None,
    face: str,
    generator: Path | None,
    seed: int,
    device: str | None,
    speech: list[Path] | None,
) -> Recipe:
    from silencer_core.audio import read_speech
    from silencer_core.batch.recipe import Recipe

    voices = {"voices": tuple(read_speech(path) for path in speech)} if speech else {}
    return Recipe(
        preset_with(preset, steps),
        None if generator is None else str(generator),
        faces=faces_of(face),
        seed=seed,
        device=device,
        **voices,
    )


@contextmanager
def _local(recipe: Recipe, jobs: int | None) -> Iterator[Outcomes]:
    from silencer_core.batch.dispatch import outcomes
    from silencer_core.batch.local import LocalCrew, workers_by_default

    size = jobs or workers_by_default(recipe.device)
    yield lambda tasks, most: outcomes(LocalCrew(recipe, min(size, most)), tasks)


@contextmanager
def _ray(recipe: Recipe, address: str, jobs: int | None) -> Iterator[Outcomes]:
    from silencer_core.batch.dispatch import outcomes
    from silencer_core.batch.ray_crew import ray_crew

    with ray_crew(recipe, address, jobs) as crew:

        def work(tasks, most):
            crew.size = min(crew.size, most)
            return outcomes(crew, tasks)

        yield work


def _tell(summary: Summary, output: Path) -> None:
    found = summary.found
    print(
        f"{output}: {summary.protected} protected, {summary.skipped} were done already, "
        f"{len(summary.failures)} failed, in {_time(summary.seconds)}"
    )
    if summary.protected:
        each = summary.worker_seconds / summary.protected
        print(f"{each:.2f} s of one worker per photo")
    notes = [
        (found.others, "files that are not named like photos were left alone"),
        (len(found.links), "linked folders were not entered"),
        (len(summary.twice), "photos had been protected before; a second change adds to the first"),
    ]
    for count, words in notes:
        if count:
            print(f"silencer: {count} {words}.", file=sys.stderr)
    for message in summary.failures[:_LISTED]:
        print(f"silencer: {message}", file=sys.stderr)
    if len(summary.failures) > _LISTED:
        left = len(summary.failures) - _LISTED
        print(f"silencer: and {left} more; manifest.jsonl lists all.", file=sys.stderr)


@contextmanager
def _bar() -> Iterator[Callable[[State], None]]:
    """A bar on stderr where that is a terminal, else a line now and then."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    estimated = False
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting workers", total=None)

        def show(state: State) -> None:
            nonlocal estimated
            done = state.protected + state.skipped + state.failed
            words = f"{state.failed} failed" if state.failed else ""
            if state.seconds_left is not None:
                left = f"about {_time(state.seconds_left)} left"
                words = f"{left}, {words}" if words else left
                if not estimated:
                    console.print(f"{left} for {state.total - done} photos", highlight=False)
                    estimated = True
            bar.update(task, description=words, completed=done, total=state.total)

        yield show


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} days"
