"""The mark of stages that have first derivatives only."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor


def once_differentiable(backward: Callable) -> Callable:
    """A Function's backward whose gradients raise ``RuntimeError`` where they are differentiated again.

    torch's decorator of that name overlooks losses that are linear in the outputs, whose incoming gradients are
    constants: the second derivative through the stage would be 0 without a word.
    """

    @functools.wraps(backward)
    def once(ctx, *bars):
        if not torch.is_grad_enabled():  # the usual backward: no graph of it is made
            return backward(ctx, *bars)
        with torch.no_grad():
            gradients = backward(ctx, *bars)
        if isinstance(gradients, Tensor):
            return _refusing(gradients)
        return tuple(None if gradient is None else _refusing(gradient) for gradient in gradients)

    return once


def _refusing(gradient: Tensor) -> Tensor:
    return _Refuse.apply(gradient.detach().requires_grad_())


class _Refuse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gradient):
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError("a stage of diffmpm is once_differentiable: its gradients cannot be differentiated again")
