"""What is done, one JSON object a line, appended: a file that survives being cut off.

Line kinds: `run` (the settings that a run began with and their digest), `photo` (a protected photo
with its report) and `failure`. A `photo` line is written just before the result gets its name, so
that a result is complete when both are there: the line, and a file with the digest it names.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from silencer_core.errors import SilencerError

from .output import Unwritable

NAME = "manifest.jsonl"


@dataclass(frozen=True)
class Record:
    """A protected photo, as far as it tells whether it must be made again."""

    photo: str
    output: str
    photo_sha256: str
    settings_sha256: str
    output_sha256: str


def fingerprint(settings: dict[str, Any]) -> str:
    """A digest of settings, plain values; equal settings have equal ones on every machine."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


class Manifest:
    """The manifest of an output folder, open for appending; used as a context manager.

    A line that a crash cut off is removed. Lines that cannot be read are passed over: what they
    recorded is made again.

    Raises:
        Unwritable: it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._latest: dict[str, Record] = {}
        self._outputs: set[str] = set()
        if self.path.exists() and not self.path.is_file():
            raise SilencerError(f"{self.path}: is not a file; move it away.")
        try:
            self._file: BinaryIO = self.path.open("a+b")
            self._read()
        except OSError as error:
            raise self._refused(error) from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def latest(self, photo: str) -> Record | None:
        """The last record of a photo."""
        return self._latest.get(photo)

    def wrote(self, output: str) -> bool:
        """Whether a result of this name was recorded."""
        return output in self._outputs

    def append(self, kind: str, **entries: Any) -> None:
        """Write a line, and on to the disk.

        Raises:
            Unwritable: the disk is full, or the folder is gone.
        """
        line = json.dumps({"kind": kind, **entries}) + "\n"
        try:
            self._file.write(line.encode("ascii"))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        self._note({"kind": kind, **entries})

    def _read(self) -> None:
        self._file.seek(0)
        whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                self._file.truncate(whole)
                break
            whole += len(line)
            try:
                entries = json.loads(line)
            except ValueError:
                continue
            if isinstance(entries, dict):
                self._note(entries)
        self._file.seek(0, os.SEEK_END)

    def _note(self, entries: dict[str, Any]) -> None:
        if entries.get("kind") != "photo":
            return
        values = [entries.get(name) for name in Record.__dataclass_fields__]
        if all(isinstance(value, str) for value in values):
            record = Record(*values)
            self._latest[record.photo] = record
            self._outputs.add(record.output)

    def _refused(self, error: OSError) -> Unwritable:
        return Unwritable(
            f"{self.path}: cannot be written ({error.strerror or error}); nothing that is "
            "complete is lost. Make room or mend the permissions, and run the same again."
        )
