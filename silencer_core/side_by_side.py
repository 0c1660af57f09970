"""Differentiable work on several threads, each with a graph of its own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from silencer_core.threads import cores


def side_by_side(functions: Sequence[Callable[..., Tensor]], *inputs: Tensor) -> list[Tensor]:
    """Every function's result for the same inputs; forward and backward run at the same time.

    PyTorch goes back through one graph on one thread of the CPU; through several graphs, several
    threads may. Results do not depend on how many there are.

    Args:
        functions: of all inputs, each to one tensor.
    """
    return list(_SideBySide.apply(functions, *inputs))


class _SideBySide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, functions: Sequence[Callable[..., Tensor]], *inputs: Tensor):
        wanted = any(ctx.needs_input_grad)

        def run(function: Callable[..., Tensor]) -> tuple[list[Tensor], Tensor]:
            with torch.inference_mode(False), torch.set_grad_enabled(wanted):  # of this thread
                leaves = [x.detach().requires_grad_(wanted) for x in inputs]
                return leaves, function(*leaves)

        ctx.runs = _at_once(run, functions)
        return tuple(result.detach() for _, result in ctx.runs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        def back(run: tuple[tuple[list[Tensor], Tensor], Tensor]) -> tuple[Tensor | None, ...]:
            (leaves, result), gradient = run
            return torch.autograd.grad(result, leaves, gradient, allow_unused=True)

        runs, ctx.runs = ctx.runs, None
        found = _at_once(back, list(zip(runs, gradients, strict=True)))
        return None, *(_sum(one) for one in zip(*found, strict=True))


def _sum(gradients: Iterable[Tensor | None]) -> Tensor | None:
    used = [one for one in gradients if one is not None]
    return sum(used[1:], used[0]) if used else None


def _at_once(work: Callable, items: Sequence) -> list:
    threads = min(len(items), _threads())
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def _threads() -> int:
    """As many as there are cores; one of several workers has one."""
    if multiprocessing.parent_process() is not None:
        return 1
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else cores()
