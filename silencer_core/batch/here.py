"""One worker in this very process, for programs that have a generator loaded already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from silencer_core.errors import Cancelled

from .worker import Outcome, Task, Worker


def outcomes_here(
    worker: Worker, tasks: Iterable[Task], cancelled: Callable[[], bool] | None = None
) -> Iterator[tuple[Task, Outcome]]:
    """Every task with its outcome, one after the other; as `dispatch.outcomes`.

    Raises:
        Cancelled: `cancelled` said yes, before or within a photo.
    """
    for task in tasks:
        if cancelled is not None and cancelled():
            raise Cancelled
        yield task, worker.protect(task, cancelled)
