"""Gradient checks: the derivative along random directions, by central differences in float64."""

import torch


def directional_error(function, inputs: dict, name: str, step: float = 1e-6, directions: int = 2) -> float:
    """Largest relative error of d function / d inputs[name] along random directions.

    ``function(**inputs)`` returns a 0-d tensor. The step is relative to the input's size; the difference is
    extrapolated once (Richardson), so that its own error does not hide the gradient's.
    """
    leaf = inputs[name].detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(**{**inputs, name: leaf}), leaf)
    worst = 0.0
    for seed in range(directions):
        direction = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(seed), dtype=leaf.dtype)
        h = step * max(1.0, float(leaf.detach().norm() / direction.norm()))
        along = [
            float(function(**{**inputs, name: leaf.detach() + t * h * direction}).detach()) for t in (-2, -1, 1, 2)
        ]
        difference = (8 * (along[2] - along[1]) - (along[3] - along[0])) / (12 * h)
        exact = float((gradient * direction).sum())
        worst = max(worst, abs(difference - exact) / max(abs(exact), 1e-12))
    return worst
