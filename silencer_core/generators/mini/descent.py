"""Gradient descent that can stop and go on: weights, their running average, the optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as processes
from torch import Tensor, nn

from silencer_core.files import whole

from .muon import MuonAdamW


class Descent:
    """Takes the steps of one stage of the training and keeps its state in `out/<stage>.pt`.

    Args:
        stage: its name, in the log and of the file.
        net: what is trained; mean: modules of the same parameters, which follow it.
        optimiser: at its highest learning rates, reached over 100 steps; from there they fall along
            a cosine.
        keep: share of the average that a step keeps, less in the beginning: step / (step + lead).
    """

    def __init__(
        self,
        stage: str,
        net: nn.Module,
        mean: nn.Module,
        optimiser: torch.optim.Optimizer | MuonAdamW,
        out: Path,
        *,
        keep: float,
        lead: int,
        log: Callable[[str], None],
    ) -> None:
        self.stage, self.net, self.mean, self.optimiser = stage, net, mean, optimiser
        self.keep, self.lead = keep, lead
        self.rates = [group["lr"] for group in optimiser.param_groups]
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
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * min(1, (self.step + 1) / 100) * fallen
        self.optimiser.zero_grad()
        loss.backward()
        share_gradients(self.net)
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
        """Everything needed to go on, written beside and renamed; by the first process only."""
        if not leads():
            return
        state = {
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }
        with whole(self.file) as beside:
            torch.save(state, beside)


def leads() -> bool:
    """Whether this is the first, or the only, process of a training."""
    return not processes.is_initialized() or processes.get_rank() == 0


def share_gradients(net: nn.Module) -> None:
    """Replace the gradients by their mean over all processes of the training."""
    if not processes.is_initialized():
        return
    parameters = list(net.parameters())
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    processes.all_reduce(flat)
    flat /= processes.get_world_size()
    parts = flat.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
