"""Velocities of rigid motions."""

import pytest
import torch

from bridge.initial_velocity import rigid_velocity


def test_equals_the_derivative_of_the_motion():
    x = torch.randn(5, 3, dtype=torch.float64)
    linear, angular, center = (torch.randn(3, dtype=torch.float64) for _ in range(3))

    def moved(t):
        k = torch.linalg.cross(angular.expand(3, 3), torch.eye(3, dtype=torch.float64)).T
        return (x - center) @ torch.linalg.matrix_exp(t * k).T + center + t * linear

    v, C = rigid_velocity(x, linear, angular, center)
    torch.testing.assert_close(v, (moved(1e-6) - moved(-1e-6)) / 2e-6, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(v, linear + (x - center) @ C[0].T)


def test_defaults_are_rest_about_the_mean():
    x = torch.randn(5, 3, dtype=torch.float64)
    v, C = rigid_velocity(x)
    assert not v.any()
    assert not C.any()
    spun, _ = rigid_velocity(x, angular=torch.tensor([0.0, 2.0, 0.0]))
    torch.testing.assert_close(spun.mean(0), torch.zeros(3, dtype=torch.float64), atol=1e-15, rtol=0)


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"rigid_velocity: angular has shape \(2,\); expected \(3,\)"):
        rigid_velocity(torch.zeros(2, 3), angular=torch.zeros(2))
