"""Files appear under their names only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from silencer_core.errors import SilencerError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; renamed to it at the end, removed after an error.

    Raises:
        SilencerError: the folder cannot be written to, or the disk is full.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise SilencerError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_folder(output: Path) -> None:
    """Before any work: that a file can be written where it is wanted."""
    if output.is_dir():
        raise SilencerError(f"{output}: is a folder; name a file.")
    if not output.parent.is_dir():
        raise SilencerError(f"{output.parent}: no such folder for the output; create it first.")
    if not os.access(output.parent, os.W_OK):
        raise SilencerError(f"{output.parent}: this folder cannot be written to; choose another.")
