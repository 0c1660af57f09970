"""What `silencer protect` and `silencer batch` can be told alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from silencer_core.presets import Preset
    from silencer_core.protect import Faces

Speeches = Annotated[
    list[Path] | None,
    typer.Option(help="Recording that shall not be followed; may be repeated. Built-in if none."),
]
PresetName = Annotated[
    str, typer.Option(help="fast, balanced or strong: how much may change, and for how long.")
]
Steps = Annotated[int | None, typer.Option(min=1, max=100_000, help="Instead of the preset's.")]
Face = Annotated[
    str, typer.Option(metavar="largest|all|N", help="Which face of several; N counts from 0.")
]
Against = Annotated[
    Path | None,
    typer.Option("-g", "--generator", help="Whom to protect against; the built-in if none."),
]
Also = Annotated[
    list[Path] | None,
    typer.Option(help="A further generator to protect against at once; may be repeated."),
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, mps; the best one present if none.")
]


def preset_with(name: str, steps: int | None) -> Preset:
    """The preset of a name, with its own number of steps or another."""
    from silencer_core.presets import preset, with_steps

    chosen = preset(name)
    return chosen if steps is None else with_steps(chosen, steps)


def faces_of(text: str) -> Faces:
    """What `--face` says.

    Raises:
        typer.BadParameter: it says nothing that is known.
    """
    if text in ("largest", "all"):
        return text
    if text.isdecimal():
        return int(text)
    raise typer.BadParameter(
        f"{text!r} is neither largest, all nor a number from 0.", param_hint="--face"
    )
