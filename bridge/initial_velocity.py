"""Initial velocities of bodies."""

import torch
from torch import Tensor

from bridge.checks import expect_shape


def rigid_velocity(
    x: Tensor, linear: Tensor | None = None, angular: Tensor | None = None, center: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Velocities v [N, 3] and affine velocities C [N, 3, 3] of a body that moves and turns as a whole.

    v = linear + angular × (x − center), whose gradient is C: the transfers reproduce this motion exactly.
    Differentiable in all arguments.

    Args:
        x: positions [N, 3]. Unit: length.
        linear: velocity of the center [3]; default 0. Unit: length / time.
        angular: angular velocity [3]; default 0. Unit: radian / time.
        center: point [3] that ``linear`` is the velocity of; default: the mean of ``x``. Unit: length.

    Raises:
        InputError: a wrong shape.
    """
    expect_shape("rigid_velocity", "x", x, ("N", 3))
    for name, value in (("linear", linear), ("angular", angular), ("center", center)):
        if value is not None:
            expect_shape("rigid_velocity", name, value, (3,))
    linear = x.new_zeros(3) if linear is None else linear.to(x)
    angular = x.new_zeros(3) if angular is None else angular.to(x)
    center = x.mean(dim=0) if center is None else center.to(x)
    # column j of C is angular × e_j, the derivative of v by x_j
    columns = torch.linalg.cross(angular.expand(3, 3), torch.eye(3, dtype=x.dtype, device=x.device))
    return linear + torch.linalg.cross(angular.expand_as(x), x - center), columns.T.expand(len(x), 3, 3)
