"""The folder that results go to: one batch at a time, whole files only, nothing outside it."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from silencer_core.errors import SilencerError

_OWN = ".silencer-batch"  # holds the lock and the file being written
_FOR_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
SPARE = 64 * 2**20  # bytes that a batch leaves free


class Unwritable(SilencerError):
    """No photo at all can be written any more: the disk is full, read-only or gone."""


class OutputFolder:
    """An output folder, locked while the context lasts.

    Args:
        path: made if it does not exist.

    Raises:
        SilencerError: it cannot be made or written to, or another batch is at work in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._root = path.resolve()
            self._own = path / _OWN
            self._own.mkdir(exist_ok=True)
            self._lock = (self._own / "lock").open("w")
        except (OSError, ValueError) as error:
            raise SilencerError(
                f"{path}: cannot be the output folder ({getattr(error, 'strerror', 0) or error}); "
                "choose another, or mend its permissions."
            ) from None
        if not _locked(self._lock.fileno()):
            self._lock.close()
            raise SilencerError(f"{path}: another batch is at work here; wait for it, or end it.")
        self._part = self._own / "part.png"  # what a crash left here is overwritten

    def __enter__(self) -> OutputFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._part.unlink(missing_ok=True)
        self._lock.close()
        # The lock's folder stays: removing it would let two others lock different files.

    def free(self) -> int:
        """Bytes free on its disk."""
        return shutil.disk_usage(self.path).free

    def holds(self, name: str, sha256: str) -> bool:
        """Whether a result is there with just this content."""
        try:
            return hashlib.sha256(self._inside(name).read_bytes()).hexdigest() == sha256
        except (OSError, SilencerError):
            return False

    def is_taken(self, name: str) -> bool:
        """Whether something is there under the name of a result."""
        return os.path.lexists(self._inside(name))

    def write(self, name: str, content: bytes, before_naming: Callable[[], None]) -> None:
        """Write a result: beside, on to the disk, and only then under its name.

        Args:
            before_naming: called when the content is safe and its name not yet given.

        Raises:
            Unwritable: the disk is full, read-only or gone.
            SilencerError: the file cannot be written, or would lie outside the folder.
        """
        target = self._inside(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.path).free < len(content) + SPARE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with self._part.open("wb") as part:
                part.write(content)
                part.flush()
                os.fsync(part.fileno())
            before_naming()
            self._part.replace(target)
        except OSError as error:
            raise self._refused(name, error) from None

    def _inside(self, name: str) -> Path:
        target = self.path / name
        # Its folder may be a link that somebody put there.
        if not target.parent.resolve().is_relative_to(self._root):
            raise SilencerError(
                f"{name}: {target.parent} leads out of the output folder; remove this link."
            )
        return target

    def _refused(self, name: str, error: OSError) -> SilencerError:
        of_all = error.errno in _FOR_ALL or not self._own.is_dir()
        kind = Unwritable if of_all else SilencerError
        return kind(
            f"{self.path / name}: cannot be written ({error.strerror or error}); nothing that is "
            "complete is lost. Make room or mend the permissions, and run the same again."
        )


def _locked(descriptor: int) -> bool:
    """Take the lock, which ends with this process however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
