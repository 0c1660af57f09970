"""Trains the built-in generator from nothing: python -m silencer_core.generators.mini.train all"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)
Out = Annotated[Path, typer.Option(help="Folder for checkpoints, logs and sheets.")]
Portraits = Annotated[Path, typer.Option(help="Folder of grey portraits of one size.")]

PEOPLE = 1500  # rendered faces to train on


@app.callback()
def stages() -> None:
    """Train the built-in generator; every stage goes on where it stopped."""


@app.command()
def vae(
    out: Out = Path("runs/mini"),
    portraits: Portraits = Path("../shared/data/portraits"),
    steps: int = 6000,
    batch: int = 12,
    rate: float = 1e-3,
    rendered: Annotated[float, typer.Option(help="Share of rendered faces.")] = 0.25,
) -> None:
    """Train the autoencoder; goes on where it stopped."""
    from .drawings import Drawings
    from .mixture import Mixture
    from .naturals import Naturals
    from .photographs import Photographs
    from .sizes import MINI
    from .vae_training import train_vae

    out.mkdir(parents=True, exist_ok=True)
    photographs = Photographs(portraits, out / "alignment.npz", MINI.size)
    drawings = Drawings(out / "people.npy", PEOPLE, side=MINI.size)
    mixture = Mixture(photographs, drawings, Naturals(MINI.size), rendered)
    train_vae(MINI, mixture, out, steps, batch, rate, log=logger(out / "vae.log"))


def logger(path: Path):
    """A function that prints lines and appends them to a file."""

    def log(line: str) -> None:
        print(line, flush=True)
        with path.open("a") as file:
            file.write(line + "\n")

    return log


if __name__ == "__main__":
    app()
