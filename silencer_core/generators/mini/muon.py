"""The networks' optimiser: Muon for matrices and kernels, AdamW for the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ADAM_RATE = 1.5e-3
LEAST_SIDE = 8  # narrower matrices are AdamW's
MOMENTUM = 0.95
DECAY = 1e-2
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the quintic
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are brought to singular values near 1, in float32.

    The same as torch.optim.Muon with steps as large as AdamW's, which iterates in bfloat16: on a
    processor without bfloat16 that took longer than forward and backward together.

    Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the
    size of steps: Liu et al., "Muon is Scalable for LLM Training", arXiv 2502.16982.

    Args:
        matrices: parameters `[n, m]`.
        lr: of AdamW steps of the same size.
    """

    def __init__(self, matrices: list[nn.Parameter], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:
        """Update in place; parameters without a gradient stay."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - MOMENTUM)
                step = orthogonal(matrix.grad.lerp(mean, MOMENTUM))
                size = 0.2 * max(matrix.shape) ** 0.5
                matrix.mul_(1 - group["lr"] * DECAY).add_(step, alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """`[n, m]` with singular values brought near 1 by Newton and Schulz's iteration."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class MuonAdamW:
    """Both optimisers as one; several times fewer steps than AdamW alone needed here.

    A convolution's kernel counts as a matrix `[out, in * height * width]`.

    Args:
        net: on its final device.
        rate: of Muon, with steps as large as AdamW's of that rate.
    """

    def __init__(self, net: nn.Module, rate: float) -> None:
        self.matrices, rest = [], []
        for parameter in net.parameters():
            if parameter.ndim >= 2 and min(parameter.flatten(1).shape) > LEAST_SIDE:
                self.matrices.append((parameter, nn.Parameter(parameter.data.flatten(1))))
            else:
                rest.append(parameter)
        self.parts = (
            Muon([matrix for _, matrix in self.matrices], rate),
            torch.optim.AdamW(rest, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=DECAY),
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
