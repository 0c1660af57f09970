"""The networks' optimiser: Muon for matrices and kernels, AdamW for the rest."""

from __future__ import annotations

import torch
from torch import nn

from silencer_core.errors import SilencerError

ADAM_RATE = 1.5e-3
LEAST_SIDE = 8  # narrower matrices are AdamW's


class MuonAdamW:
    """Both optimisers as one; several times fewer steps than AdamW alone needed here.

    A convolution's kernel counts as a matrix `[out, in * height * width]`.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
    as in torch.optim (2.9 or newer).

    Args:
        net: on its final device.
        rate: of Muon, with steps as large as AdamW's of that rate.
    """

    def __init__(self, net: nn.Module, rate: float) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise SilencerError(f"torch {torch.__version__} has no Muon; training needs 2.9.")
        self.matrices, rest = [], []
        for parameter in net.parameters():
            if parameter.ndim >= 2 and min(parameter.flatten(1).shape) > LEAST_SIDE:
                self.matrices.append((parameter, nn.Parameter(parameter.data.flatten(1))))
            else:
                rest.append(parameter)
        self.parts = (
            torch.optim.Muon(
                [matrix for _, matrix in self.matrices],
                lr=rate,
                weight_decay=1e-2,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=1e-2),
        )

    @property
    def param_groups(self) -> list[dict]:
        """Of both."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter, matrix in self.matrices:
            parameter.grad = matrix.grad = None
        self.parts[1].zero_grad()

    def step(self) -> None:
        """Update in place; parameters without a gradient stay."""
        for parameter, matrix in self.matrices:
            matrix.grad = None if parameter.grad is None else parameter.grad.flatten(1)
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict:
        """Of both, by number."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict) -> None:
        """What `state_dict` gave."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])
