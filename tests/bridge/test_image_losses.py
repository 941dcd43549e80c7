"""Image losses: values by hand, minima where they should be, masks, gradients."""

import pytest
import torch

from bridge.image_losses import depth_loss, rgb_loss, silhouette_loss
from configs.errors import InputError


def test_values():
    image, target = torch.tensor([[0.0, 1.0], [0.5, 0.25]]), torch.tensor([[1.0, 1.0], [0.0, 0.25]])
    assert float(rgb_loss(image, target)) == pytest.approx(1.5 / 4)
    assert float(rgb_loss(image, target, kind="mse")) == pytest.approx(1.25 / 4)
    assert float(silhouette_loss(image, target)) == pytest.approx(1.25 / 4)
    assert float(silhouette_loss(image, target, kind="l1")) == pytest.approx(1.5 / 4)


def test_depth_counts_only_where_both_show_something():
    depth = torch.tensor([2.0, 5.0, 7.0, 1.0])
    target = torch.tensor([3.0, 0.0, 6.0, 9.0])
    alpha = torch.tensor([0.9, 0.9, 0.8, 0.2])
    assert float(depth_loss(depth, target, alpha)) == pytest.approx((1 + 1) / 2)
    assert float(depth_loss(depth, target, torch.zeros(4))) == 0.0


@pytest.mark.parametrize("loss", [rgb_loss, silhouette_loss])
def test_zero_and_no_gradient_at_the_target(loss):
    target = torch.rand(2, 4, 4, dtype=torch.float64)
    image = target.clone().requires_grad_()
    value = loss(image, target)
    value.backward()
    assert float(value.detach()) == 0.0
    assert float(image.grad.abs().max()) == 0.0


def test_bad_input():
    with pytest.raises(InputError, match=r"rgb_loss: target has shape \(3,\); expected \(2, 2\)"):
        rgb_loss(torch.zeros(2, 2), torch.zeros(3))
    with pytest.raises(InputError, match="kind is 'l3'; expected 'l1' or 'mse'"):
        rgb_loss(torch.zeros(2), torch.zeros(2), kind="l3")
