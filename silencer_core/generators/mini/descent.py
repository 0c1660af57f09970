"""Gradient descent that can stop and go on: weights, their running average, the optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn


class Descent:
    """Takes the steps of one stage of the training and keeps its state in `out/<stage>.pt`.

    Args:
        stage: its name, in the log and of the file.
        net: what is trained; mean: modules of the same parameters, which follow it.
        rate: the learning rate after a rise over 100 steps; from there it falls along a cosine.
        keep: share of the average that a step keeps, less in the beginning: step / (step + lead).
    """

    def __init__(
        self,
        stage: str,
        net: nn.Module,
        mean: nn.Module,
        optimiser: torch.optim.Optimizer,
        out: Path,
        *,
        rate: float,
        keep: float,
        lead: int,
        log: Callable[[str], None],
    ) -> None:
        self.stage, self.net, self.mean, self.optimiser = stage, net, mean, optimiser
        self.rate, self.keep, self.lead = rate, keep, lead
        self.file = out / f"{stage}.pt"
        self.step = 0
        self.losses: list[float] = []
        if self.file.exists():
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            net.load_state_dict(state["net"])
            mean.load_state_dict(state["mean"])
            if "optimiser" in state:  # not after `unpack`
                optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]
            log(f"{stage}: goes on from step {self.step}")

    def descend(self, loss: Tensor, steps: int) -> None:
        """One step of `steps` in all; raises FloatingPointError if the loss is not finite."""
        if not loss.isfinite():
            raise FloatingPointError(f"{self.stage}: loss {loss.item()} at step {self.step}")
        fallen = 0.5 + 0.5 * math.cos(math.pi * min(self.step / steps, 1.0))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * min(1, (self.step + 1) / 100) * fallen
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._average(min(self.keep, self.step / (self.step + self.lead)))
        self.losses.append(loss.item())

    @torch.no_grad()
    def _average(self, keep: float) -> None:
        for a, b in zip(self.mean.parameters(), self.net.parameters(), strict=True):
            a.lerp_(b, 1 - keep)

    def recent_loss(self, count: int) -> float:
        """Mean of the last `count` losses."""
        last = self.losses[-count:]
        return sum(last) / len(last)

    def save(self) -> None:
        """Everything needed to go on, written beside and renamed."""
        state = {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        beside = self.file.with_suffix(".tmp")
        torch.save(state, beside)
        beside.replace(self.file)
