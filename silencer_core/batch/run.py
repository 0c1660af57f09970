"""A folder of photos, protected into another: what is done is skipped, what fails is listed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from silencer_core.errors import SilencerError
from silencer_core.files import opened
from silencer_core.photo import protection_in_file, size_in_file

from .manifest import Manifest, fingerprint
from .output import SPARE, OutputFolder, Unwritable
from .photos import Found, find_photos, output_names
from .worker import Failed, Outcome, Task

if TYPE_CHECKING:
    from .recipe import Recipe

Outcomes = Callable[[Iterable[Task], int], Iterator[tuple[Task, Outcome]]]
_LARGEST_FILE = 2**30  # bytes; a photo of 150 million pixels with 16 bits is smaller
_LOOKED_AT = 200  # photos whose size the estimate of room is made from
_PNG_SHARE = 0.8  # of 3 bytes a pixel, what a photo takes as PNG, at most as a rule


@dataclass(frozen=True)
class State:
    """How far a batch is.

    Attributes:
        total: photos there are.
        protected, skipped, failed: of them so far.
        seconds: since the first went to a worker.
        seconds_left: estimated from those done; None before the first.
    """

    total: int
    protected: int
    skipped: int
    failed: int
    seconds: float
    seconds_left: float | None


@dataclass
class Summary:
    """How it went; `failures` are messages that name the photo.

    Attributes:
        found: what the input folder held.
        protected, skipped: photos made now, and complete before.
        failures: one message per photo that could not be protected.
        twice: photos that had been protected by Silencer before.
        seconds: of the whole run.
        worker_seconds: spent by all workers on the photos protected now.
    """

    found: Found
    protected: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    seconds: float = 0.0
    worker_seconds: float = 0.0


def run_batch(
    photos: Path,
    output: Path,
    recipe: Recipe,
    outcomes: Outcomes,
    progress: Callable[[State], None] | None = None,
) -> Summary:
    """Protect every photo in a folder that is not protected with this recipe already.

    Safe to end at any moment, by any means, and to run again: results appear whole, and one is
    skipped when photo, recipe and result are those that the manifest tells of.

    Args:
        photos: the folder, searched with those below it.
        output: gets the results under the same folders, and `manifest.jsonl`.
        outcomes: makes results of tasks: takes tasks and how many there are at most, and gives
            each with its outcome, in any order. `dispatch.outcomes` and `here.outcomes_here` with
            their first argument filled in.
        progress: called after every photo.

    Raises:
        SilencerError: a folder or the generator cannot be used, or the disk is full.
        Cancelled: if `outcomes` raises it; what is complete stays.
    """
    return _Batch(photos, output, recipe, progress).run(outcomes)


class _Batch:
    def __init__(
        self,
        photos: Path,
        output: Path,
        recipe: Recipe,
        progress: Callable[[State], None] | None,
    ) -> None:
        _check_apart(photos, output)
        self.photos, self.output, self.progress = photos, output, progress
        self.summary = Summary(find_photos(photos, leave_out=output))
        if not self.summary.found.photos:
            raise SilencerError(f"{photos}: holds no photos (PNG, JPEG, WebP, TIFF, ...).")
        self.names = output_names(self.summary.found.photos)
        self.settings = recipe.settings()
        self.settings_sha256 = fingerprint(self.settings)
        self.digests: dict[str, str] = {}
        self.began = self.first_task = time.monotonic()

    def run(self, outcomes: Outcomes) -> Summary:
        with OutputFolder(self.output) as folder, Manifest(self.output) as manifest:
            self.folder, self.manifest = folder, manifest
            pending = [photo for photo in self.names if not self._seems_done(photo)]
            self._check_room(pending)
            manifest.append("run", settings_sha256=self.settings_sha256, settings=self.settings)
            answers = outcomes(self._tasks(), max(1, len(pending)))
            try:
                for task, outcome in answers:
                    self._take(task, outcome)
            finally:
                getattr(answers, "close", lambda: None)()
        self.summary.seconds = time.monotonic() - self.began
        return self.summary

    def _tasks(self) -> Iterator[Task]:
        """Photos that are not complete. Each is read when a worker is free, and only once."""
        self.first_task = time.monotonic()
        for photo, name in self.names.items():
            try:
                with opened(self.photos / photo, "picture") as file:
                    content = file.read(_LARGEST_FILE + 1)
                if len(content) > _LARGEST_FILE:
                    raise SilencerError(f"{photo}: more than 1 GiB; scale the picture down.")
                self.digests[photo] = hashlib.sha256(content).hexdigest()
                if self._is_done(photo, name):
                    self.summary.skipped += 1
                    self._show()
                    continue
                self._check_name(photo, name)
            except OSError as error:
                self._failed(photo, f"{photo}: cannot be read ({error.strerror or error}).")
                continue
            except SilencerError as error:
                self._failed(photo, str(error))
                continue
            yield Task(photo, content)

    def _seems_done(self, photo: str) -> bool:
        """Without reading anything."""
        record = self.manifest.latest(photo)
        return record is not None and record.settings_sha256 == self.settings_sha256

    def _is_done(self, photo: str, name: str) -> bool:
        record = self.manifest.latest(photo)
        return (
            record is not None
            and record.output == name
            and record.photo_sha256 == self.digests[photo]
            and record.settings_sha256 == self.settings_sha256
            and self.folder.holds(name, record.output_sha256)
        )

    def _check_name(self, photo: str, name: str) -> None:
        """Refuse to replace what Silencer did not write."""
        if not self.folder.is_taken(name) or self.manifest.wrote(name):
            return
        with suppress(SilencerError):
            if protection_in_file(self.output / name) is not None:
                return
        raise SilencerError(
            f"{photo}: {self.output / name} is there already and is no protected photo; move it "
            "away."
        )

    def _take(self, task: Task, outcome: Outcome) -> None:
        digest = self.digests.pop(task.name)
        if isinstance(outcome, Failed):
            self._failed(task.name, outcome.message, trace=outcome.trace)
            return
        name = self.names[task.name]

        def record() -> None:
            self.manifest.append(
                "photo",
                photo=task.name,
                output=name,
                photo_sha256=digest,
                settings_sha256=self.settings_sha256,
                output_sha256=hashlib.sha256(outcome.png).hexdigest(),
                seconds=round(outcome.seconds, 3),
                cpu_seconds=round(outcome.cpu_seconds, 3),
                protected_before=outcome.protected_before,
                report=outcome.report,
            )

        try:
            self.folder.write(name, outcome.png, before_naming=record)
        except Unwritable:
            raise
        except SilencerError as error:
            self._failed(task.name, str(error))
            return
        self.summary.protected += 1
        self.summary.worker_seconds += outcome.seconds
        self._show()
        if outcome.protected_before is not None:
            self.summary.twice.append(task.name)

    def _failed(self, photo: str, message: str, trace: str | None = None) -> None:
        self.digests.pop(photo, None)
        self.summary.failures.append(message)
        extra = {} if trace is None else {"trace": trace}
        self.manifest.append("failure", photo=photo, message=message, **extra)
        self._show()

    def _show(self) -> None:
        if self.progress is None:
            return
        summary, total = self.summary, len(self.names)
        seconds = time.monotonic() - self.first_task
        left = total - summary.protected - summary.skipped - len(summary.failures)
        each = seconds / summary.protected if summary.protected else None
        self.progress(
            State(
                total,
                summary.protected,
                summary.skipped,
                len(summary.failures),
                seconds,
                None if each is None else each * left,
            )
        )

    def _check_room(self, pending: list[str]) -> None:
        needed, free = self._room_for(pending), self.folder.free()
        if free < needed + SPARE:
            raise SilencerError(
                f"{self.output}: {len(pending)} photos take about {needed / 1e9:.1f} GB, and "
                f"{free / 1e9:.1f} GB are free; make room, or choose another disk."
            )

    def _room_for(self, pending: list[str]) -> float:
        """Bytes, from the sizes in pixels of a sample; photos that cannot be read count nothing."""
        looked_at = pending[:: max(1, len(pending) // _LOOKED_AT)]
        pixels = [_pixels(self.photos / photo) for photo in looked_at]
        return 3 * _PNG_SHARE * sum(pixels) * len(pending) / max(1, len(looked_at))


def _pixels(path: Path) -> int:
    try:
        width, height = size_in_file(path)
    except SilencerError:  # is said when its turn comes
        return 0
    return width * height


def _check_apart(photos: Path, output: Path) -> None:
    try:
        source, target = photos.resolve(), output.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # loops of links, null characters
        raise SilencerError(
            f"{str(photos)!r}, {str(output)!r}: not the names of folders ({error})."
        ) from None
    if source == target:
        raise SilencerError(f"{output}: is the folder of the photos itself; choose another.")
    if source.is_relative_to(target):
        raise SilencerError(
            f"{output}: the photos lie below it, so that results could replace them; choose a "
            "folder beside or below the photos."
        )
