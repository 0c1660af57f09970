"""Workers as actors of a Ray cluster. Photos and results travel as bytes; no disk is shared."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from silencer_core.errors import SilencerError

from .dispatch import Lost, Message, Ready, Unusable
from .local import ONE_THREAD, MakeWorker
from .manifest import fingerprint
from .worker import Outcome, Task, Worker

if TYPE_CHECKING:
    from .recipe import Recipe


@contextmanager
def ray_crew(
    recipe: Recipe, address: str, jobs: int | None = None, worker: MakeWorker = Worker
) -> Iterator[RayCrew]:
    """Workers on a cluster, connected to for as long as the context lasts.

    Each worker claims one GPU where the cluster has any (unless the recipe's device is "cpu"),
    else one processor core, and computes on one thread, as local workers do.

    Args:
        recipe: what workers do. A generator of its own must lie under the same path on every
            machine, with the same content; the built-in one is part of the package.
        address: "host:port" or "auto" for a running cluster; "local" starts one here.
        jobs: how many; by default as many as the cluster has GPUs or cores.
        worker: makes a worker of recipe and device; for tests.

    Raises:
        SilencerError: Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    try:
        import ray
    except ImportError:
        raise SilencerError(
            "--ray: Ray is not installed; run pip install silencer[batch], or leave --ray out."
        ) from None
    joined = ray.is_initialized()
    if not joined:
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="error",
                include_dashboard=False if address == "local" else None,
            )
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise SilencerError(
                f"--ray {address}: no Ray cluster can be reached there ({reason}); start one with "
                "`ray start --head`, or give --ray local."
            ) from error
    try:
        yield RayCrew(recipe, jobs, worker)
    finally:
        if not joined:
            ray.shutdown()


@dataclass(eq=False)
class _Member:
    actor: Any
    answer: Any = field(default=None)


class RayCrew:
    """See `dispatch.Crew`; Ray is connected already."""

    def __init__(
        self, recipe: Recipe, jobs: int | None = None, worker: MakeWorker = Worker
    ) -> None:
        import ray

        resources = ray.cluster_resources()
        gpus = 0 if recipe.device == "cpu" else int(resources.get("GPU", 0))
        self.size = jobs or gpus or max(1, int(resources.get("CPU", 1)))
        self._needs = {"num_cpus": 1, "num_gpus": 1 if gpus else 0}
        self._recipe = ray.put(recipe)
        self._make, self._fingerprint = worker, fingerprint(recipe.settings())
        self._actor = ray.remote(_Actor)

    def hire(self) -> _Member:
        """Start an actor; it waits where the cluster has no room for it yet."""
        actor = self._actor.options(**self._needs, max_restarts=0).remote()
        return _Member(actor, actor.load.remote(self._make, self._recipe, self._fingerprint))

    def give(self, member: _Member, task: Task) -> None:
        """Send a task."""
        member.answer = member.actor.protect.remote(task)

    def wait(self, members: list[_Member], seconds: float) -> list[tuple[_Member, Message]]:
        """Receive what actors answer, or that they are gone."""
        import ray

        asked = {member.answer: member for member in members if member.answer is not None}
        if not asked:
            return []
        ready, _ = ray.wait(list(asked), num_returns=1, timeout=seconds)
        return [(asked[answer], self._hear(asked[answer])) for answer in ready]

    def _hear(self, member: _Member) -> Message:
        import ray

        answer, member.answer = member.answer, None
        try:
            return ray.get(answer)
        except ray.exceptions.RayError as error:
            return Lost(str(error).partition("\n")[0])

    def dismiss(self, member: _Member) -> None:
        """Kill the actor: what it had not finished is done again another time."""
        import ray

        with suppress(ray.exceptions.RayError, ValueError):
            ray.kill(member.actor)


class _Actor:
    """A worker on a machine of the cluster."""

    def load(self, make: MakeWorker, recipe: Recipe, expected: str) -> Message:
        os.environ.update(ONE_THREAD)  # before torch is loaded
        machine = platform.node()
        try:
            if fingerprint(recipe.settings()) != expected:
                return Unusable(
                    f"on {machine} there is another version of Silencer, or another generator, "
                    "than where the batch was started; install the same everywhere."
                )
            self.worker = make(recipe, recipe.device)
        except SilencerError as error:
            return Unusable(f"on {machine}: {error}")
        return Ready()

    def protect(self, task: Task) -> Outcome:
        return self.worker.protect(task)
