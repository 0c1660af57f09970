"""`silencer models`: what a generator on disk consists of, its conversion, its download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from silencer_core.models.download import RemoteFile
    from silencer_core.models.folder import Part

REPOSITORY = "fudan-generative-ai/hallo"
_STYLES = {"found": "green", "missing": "yellow", "wrong": "red"}

app = typer.Typer(help="Check, convert and download talking-head generators.", no_args_is_help=True)


@app.command()
def check(
    folder: Annotated[
        Path, typer.Argument(help="A folder in the published layout, or a converted file.")
    ],
) -> None:
    """Say what is there, what is missing or wrong, where it comes from and under what licence.

    Ends with status 0 if the generator can be used, else 1.
    """
    from silencer_core.models.check import check as check_generator

    report = check_generator(folder)
    table = _table("part", "state", "size", "source", "licence")
    for finding in report.findings:
        part, style = finding.part, _STYLES[finding.state]
        state = f"[{style}]{finding.state}[/]" + (" (optional)" if part.without else "")
        absent = finding.state == "missing" and not finding.bytes
        size = f"about {_size(part.bytes)}" if absent else _size(finding.bytes)
        table.add_row(part.name, state, size, part.source, part.licence)
    console = _console()
    console.print(table)
    for finding in report.findings:  # below the table, where long lines have room
        part = finding.part
        line = f"{part.name}, {part.purpose}: {finding.detail}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.stops:
        console.print(
            report.contradiction
            or f"{folder} cannot be used because of {', '.join(report.stops)}. What is missing, "
            f"`silencer models download {folder}` fetches.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(1)
    console.print(f"{folder} can be used.", highlight=False, soft_wrap=True)


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="A folder in the published layout.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .safetensors to write.")],
    dtype: Annotated[str, typer.Option(help="float16 or bfloat16.", metavar="DTYPE")] = "float16",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Write net, VAE and audio encoder as one half-precision file that loads at once."""
    import torch
    from rich.progress import BarColumn, DownloadColumn, Progress

    from silencer_core.models.stored import convert as convert_generator

    dtypes = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    if dtype not in dtypes:
        raise typer.BadParameter(f"{dtype!r} is neither float16 nor bfloat16.")
    with Progress(BarColumn(), DownloadColumn(), console=_console(stderr=True)) as bar:
        task = bar.add_task("convert")
        convert_generator(
            folder,
            output,
            dtypes[dtype],
            replace=force,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    _console().print(f"{output}: {_size(output.stat().st_size)}", soft_wrap=True)


@app.command()
def download(
    folder: Annotated[Path, typer.Argument(help="Where to put the published layout.")],
    only: Annotated[
        str, typer.Option(help="Parts, separated by commas, e.g. net,vae. All by default.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Fetch what is missing from its publisher. Resumes, and verifies every file."""
    from silencer_core.models.download import bytes_to_fetch, describe, fetch, require_space

    parts = _missing_parts(folder, only)
    console = _console()
    if not parts:
        console.print(f"{folder}: nothing is missing.", soft_wrap=True)
        return
    files = {part.name: describe(REPOSITORY, part.downloads) for part in parts}
    console.print(_download_table(parts, files))
    everything = [file for part in parts for file in files[part.name]]
    left = bytes_to_fetch(everything, folder)
    require_space(folder, left)
    if not yes:
        typer.confirm(f"Fetch {_size(left)} into {folder}, accepting these licences?", abort=True)
    for file in everything:
        fetch(file, folder)
        console.print(f"{file.name}: complete, hash verified", soft_wrap=True)


def _missing_parts(folder: Path, only: str) -> list[Part]:
    from silencer_core.models.folder import PARTS, look

    known = {part.name: part for part in PARTS}
    names = [name.strip() for name in only.split(",") if name.strip()] or list(known)
    if unknown := sorted(set(names) - set(known)):
        raise typer.BadParameter(f"no such part: {', '.join(unknown)}. Parts: {', '.join(known)}.")
    if not folder.exists():
        return [known[name] for name in names]
    found = look(folder)
    return [known[name] for name in names if found.missing(known[name])]


def _download_table(parts: list[Part], files: dict[str, list[RemoteFile]]) -> Table:
    table = _table("part", "files", "size", "source", "licence")
    for part in parts:
        names = "\n".join(file.name for file in files[part.name])
        size = _size(sum(file.bytes for file in files[part.name]))
        table.add_row(part.name, names, size, f"{REPOSITORY}, from {part.source}", part.licence)
    return table


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr)


def _size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"
