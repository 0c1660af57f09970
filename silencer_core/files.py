"""Files appear under their names only when they are whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from silencer_core.errors import SilencerError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; renamed to it at the end, removed after an error.

    Raises:
        SilencerError: the folder cannot be written to, or the disk is full.
    """
    beside = path.with_name(f"{_short(path.name)}.{os.getpid()}.part{_short(path.suffix)}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise SilencerError(f"{path}: cannot be written ({error.strerror or error})") from error
    except ValueError as error:
        if "\0" in str(path):
            raise SilencerError(f"{str(path)!r}: no file can have this name ({error})") from None
        raise
    finally:
        with suppress(
            OSError, ValueError
        ):  # such as a name that is too long, of which the error above tells
            beside.unlink(missing_ok=True)


def _short(name: str) -> str:
    """So many characters that a file name of 255 bytes has room for more."""
    return name[:40]


@contextmanager
def opened(path: str | os.PathLike[str], kind: str) -> Iterator[BinaryIO]:
    """A file to read, which must be a file: pipes and devices may never end.

    Args:
        kind: what it should be, for the messages: "picture".

    Raises:
        SilencerError: no such file, a folder, something else than a file, or not readable.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            found = "folder" if path.is_dir() else "device or pipe"
            raise SilencerError(f"{path}: this is a {found}; give a {kind} file")
        file = path.open("rb")
    except FileNotFoundError:
        raise SilencerError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SilencerError(
            f"{path}: cannot be read ({error.strerror or error}); check name and permissions"
        ) from None
    except SilencerError:
        raise
    except ValueError as error:  # a name that holds a null character
        raise SilencerError(f"{str(path)!r}: no file can have this name ({error})") from None
    with file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_folder(output: Path) -> None:
    """Before any work: that a file can be written where it is wanted."""
    try:
        if stat.S_ISDIR(output.stat().st_mode):
            raise SilencerError(f"{output}: is a folder; name a file.")
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # too long, a loop of links, ...
        raise SilencerError(
            f"{output}: cannot be written ({error.strerror or error}); choose another name."
        ) from None
    except SilencerError:
        raise
    except ValueError as error:  # a null character
        raise SilencerError(f"{str(output)!r}: no file can have this name ({error}).") from None
    if not output.parent.is_dir():
        raise SilencerError(f"{output.parent}: no such folder for the output; create it first.")
    if not os.access(output.parent, os.W_OK):
        raise SilencerError(f"{output.parent}: this folder cannot be written to; choose another.")
