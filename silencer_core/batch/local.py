"""Workers as processes of this machine, each computing on one thread or one GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Protocol

from silencer_core.errors import SilencerError

from .dispatch import Lost, Message, Ready, Unusable
from .worker import Outcome, Task, Worker

if TYPE_CHECKING:
    from .recipe import Recipe

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
#: What workers import before they do anything; it takes longer than loading the generator.
_PRELOADED = ["silencer_core.protect", "silencer_core.generators.mini.weights"]


class MakeWorker(Protocol):
    """`Worker`, or what stands in for it."""

    def __call__(self, recipe: Recipe, device: str | None) -> SupportsProtect: ...


class SupportsProtect(Protocol):
    """A worker, as far as this module needs one."""

    def protect(self, task: Task) -> Outcome: ...


@dataclass(frozen=True, eq=False)
class _Member:
    process: multiprocessing.process.BaseProcess
    line: Connection


class LocalCrew:
    """See `dispatch.Crew`.

    A worker computes on one thread, so that results are the same however many there are, and
    ends when this process does, whatever ended it.

    Args:
        recipe: what workers do.
        size: how many of them.
        worker: makes a worker of recipe and device; for tests.
    """

    def __init__(self, recipe: Recipe, size: int, worker: MakeWorker = Worker) -> None:
        self.recipe, self.size, self.worker = recipe, size, worker
        self._hired = 0
        self._context = prepare()

    def hire(self) -> _Member:
        """Start a process."""
        ours, theirs = self._context.Pipe()
        device = _device_of(self._hired, self.recipe.device)
        self._hired += 1
        process = self._context.Process(
            target=_work, args=(theirs, self.worker, self.recipe, device), daemon=True
        )
        with _environment(ONE_THREAD):
            process.start()
        theirs.close()
        return _Member(process, ours)

    def give(self, member: _Member, task: Task) -> None:
        """Send a task."""
        with suppress(OSError):  # a dead worker is heard of by `wait`
            member.line.send(task)

    def wait(self, members: list[_Member], seconds: float) -> list[tuple[_Member, Message]]:
        """Receive what workers say, or that they are gone."""
        speaking = connection.wait([member.line for member in members], seconds)
        return [(member, self._hear(member)) for member in members if member.line in speaking]

    def _hear(self, member: _Member) -> Message:
        try:
            return member.line.recv()
        except (EOFError, OSError):
            member.process.join(5)
            return Lost(_why(member.process.exitcode))

    def dismiss(self, member: _Member) -> None:
        """Kill the process: what it had not finished is done again another time."""
        member.line.close()
        member.process.kill()
        member.process.join()


def prepare() -> multiprocessing.context.BaseContext:
    """How processes are started here; worth calling early, it begins to import in the background.

    On Linux they are forked from one that has imported everything and done nothing; elsewhere,
    where that is not safe, each imports for itself.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver  # is not there on Windows

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    with _environment(ONE_THREAD):
        forkserver.ensure_running()
    return context


def workers_by_default(device: str | None) -> int:
    """One per processor core, or one per GPU where there are any."""
    import torch

    from silencer_core.threads import cores

    if device in (None, "cuda") and torch.cuda.is_available():
        return torch.cuda.device_count()
    if device in (None, "cpu"):
        return cores()
    return 1


def _device_of(number: int, device: str | None) -> str | None:
    """Workers take the GPUs in turn."""
    if device not in (None, "cuda"):
        return device
    import torch

    if torch.cuda.is_available():
        return f"cuda:{number % torch.cuda.device_count()}"
    return device


def _work(line: Connection, make: MakeWorker, recipe: Recipe, device: str | None) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        worker = make(recipe, device)
    except SilencerError as error:
        line.send(Unusable(str(error)))
        return
    line.send(Ready())
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        line.send(worker.protect(task))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _why(exit_code: int | None) -> str:
    if exit_code is None:
        return "it does not answer"
    if exit_code < 0:
        return f"ended by signal {-exit_code}, {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
