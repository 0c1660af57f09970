"""Handing photos to workers that may die, and taking the outcomes in whatever order they come."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from silencer_core.errors import Cancelled, SilencerError

from .worker import Failed, Outcome, Task

ATTEMPTS = 3  # workers that one photo may cost, and that may die in a row before any is ready
_LOOK = 0.2  # seconds between looks at `cancelled`


@dataclass(frozen=True)
class Ready:
    """The worker has loaded the generator."""


@dataclass(frozen=True)
class Unusable:
    """The worker cannot work, and another one could not either."""

    message: str


@dataclass(frozen=True)
class Lost:
    """The worker died."""

    reason: str


Message = Outcome | Ready | Unusable | Lost


class Crew(Protocol):
    """Where workers come from. Members are hashable handles of its own."""

    size: int

    def hire(self) -> Any:
        """Start a worker; it will say `Ready` or `Unusable`, or be lost."""

    def give(self, member: Any, task: Task) -> None:
        """Hand a task to a worker that is ready; it will answer with an outcome, or be lost."""

    def wait(self, members: list, seconds: float) -> list[tuple[Any, Message]]:
        """What any of these said, waiting at most so long."""

    def dismiss(self, member: Any) -> None:
        """End a worker, whatever it is doing. One that is dead already is no error."""


def outcomes(
    crew: Crew, tasks: Iterable[Task], cancelled: Callable[[], bool] | None = None
) -> Iterator[tuple[Task, Outcome]]:
    """Every task with its outcome, as they come; about one task per worker is in memory.

    A worker that dies is replaced, and its task given to another. A task that costs `ATTEMPTS`
    workers has failed. When the iterator is closed or fails, all workers are ended.

    Args:
        tasks: with different names.
        cancelled: asked several times a second.

    Raises:
        SilencerError: workers cannot load the generator, or keep dying while they try.
        Cancelled: `cancelled` said yes.
    """
    shift = _Shift(crew, tasks)
    try:
        if not shift.begin():
            return
        while shift.hand_out():
            if cancelled is not None and cancelled():
                raise Cancelled
            for member, message in crew.wait(shift.members, _LOOK):
                if (finished := shift.heard(member, message)) is not None:
                    yield finished
    finally:
        for member in shift.members:
            crew.dismiss(member)


class _Shift:
    """Who is doing what. `again` holds tasks whose worker died, and the first one."""

    def __init__(self, crew: Crew, tasks: Iterable[Task]) -> None:
        self.crew, self.tasks = crew, iter(tasks)
        self.again: deque[Task] = deque()
        self.starting: list[Any] = []
        self.idle: list[Any] = []
        self.busy: dict[Any, Task] = {}
        self.deaths: Counter[str] = Counter()
        self.stillborn = 0
        self.exhausted = False

    @property
    def members(self) -> list[Any]:
        return [*self.starting, *self.idle, *self.busy]

    def begin(self) -> bool:
        """Hire everybody, if there is anything to do."""
        first = self._next()
        if first is None:
            return False
        self.again.append(first)
        for _ in range(self.crew.size):
            self.starting.append(self.crew.hire())
        return True

    def hand_out(self) -> bool:
        """Give idle workers what is left; False when all is done."""
        while self.idle and (task := self._next()) is not None:
            member = self.idle.pop()
            self.busy[member] = task
            self.crew.give(member, task)
        return bool(self.busy or self.again or not self.exhausted)

    def _next(self) -> Task | None:
        if self.again:
            return self.again.popleft()
        task = None if self.exhausted else next(self.tasks, None)
        self.exhausted = task is None
        return task

    def heard(self, member: Any, message: Message) -> tuple[Task, Outcome] | None:
        """Take note of what a worker said; a task with its outcome if that was it."""
        if isinstance(message, Unusable):
            raise SilencerError(message.message)
        if isinstance(message, Lost):
            return self._lost(member, message)
        task = self.busy.pop(member, None)
        if task is None:
            self.starting.remove(member)
            self.stillborn = 0
        self.idle.append(member)
        return None if task is None else (task, message)

    def _lost(self, member: Any, message: Lost) -> tuple[Task, Outcome] | None:
        task = self.busy.pop(member, None)
        for group in (self.starting, self.idle):
            if member in group:
                group.remove(member)
        self.crew.dismiss(member)
        if task is None:
            self.stillborn += 1
            if self.stillborn >= ATTEMPTS:
                raise SilencerError(
                    f"{self.stillborn} workers in a row ended while loading the generator "
                    f"({message.reason}): perhaps the memory is not enough; use fewer workers "
                    "(--jobs)."
                )
        self.starting.append(self.crew.hire())
        if task is None:
            return None
        self.deaths[task.name] += 1
        if self.deaths[task.name] < ATTEMPTS:
            self.again.append(task)
            return None
        return task, Failed(
            f"{task.name}: {ATTEMPTS} workers ended over it ({message.reason}): perhaps the "
            "memory is not enough; scale the photo down, or use fewer workers (--jobs)."
        )
