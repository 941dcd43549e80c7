"""``GSRenderer3DGS``: one camera given in the 3DGS convention; image, alpha, depth and normals of Gaussians."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_shape
from bridge.normals import shortest_axes
from bridge.rasterization import rasterization
from bridge.rasterization_checks import whole_pixels
from bridge.runtime import current
from configs.errors import InputError
from configs.render import RenderConfig

OWNER = "GSRenderer3DGS"


class GSRenderer3DGS:
    """Draws Gaussians given by means and covariances, with a camera in the convention of Inria's 3DGS.

    Args:
        width, height: image size. Unit: pixel.
        tanfovx, tanfovy: tangents of half the fields of view.
        viewmatrix: world to camera [4, 4], transposed (row vectors); OpenCV's axes.
        projmatrix: full projection [4, 4], transposed: ``viewmatrix @ P.T``. It gives the principal point; None
            puts it in the middle.
        campos: position of the camera [3]; ``viewmatrix`` implies it, so it may be None; another one is a warning.
        device: where the results live.
        background: red, green, blue behind the Gaussians.
        particle_color: red, green, blue of Gaussians drawn without colours.
        near_plane: Gaussians nearer than this are left out. Unit: length.

    Raises:
        InputError: shapes, values that are not finite, sizes or angles that are not positive.
    """

    def __init__(
        self,
        width: int,
        height: int,
        tanfovx: float,
        tanfovy: float,
        viewmatrix: Any,
        projmatrix: Any = None,
        campos: Any = None,
        device: torch.device | str = "cpu",
        background: tuple[float, float, float] = RenderConfig().background,
        particle_color: tuple[float, float, float] = RenderConfig().particle_color,
        near_plane: float = 0.01,
    ):
        self.width, self.height = whole_pixels(OWNER, width=width, height=height)
        tanfovx, tanfovy = _positive("tanfovx", tanfovx), _positive("tanfovy", tanfovy)
        self.device, self.dtype, self.near_plane = _available(device), current().dtype, near_plane
        self.viewmat = self._tensor("viewmatrix", viewmatrix, (4, 4)).T
        """World to camera [4, 4], column vectors."""
        self.eye = _eye(self.viewmat.detach())
        """Position of the camera [3]. Unit: length."""
        focal = (0.5 * self.width / tanfovx, 0.5 * self.height / tanfovy)
        centre = self._principal_point(projmatrix, tanfovx, tanfovy)
        self.K = self.viewmat.new_tensor([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
        """Intrinsics [3, 3]. Unit: pixel."""
        if campos is not None:
            self._compare_eye(self._tensor("campos", campos, (3,)).detach())
        self.background = self._tensor("background", background, (3,))
        self.particle_color = self._tensor("particle_color", particle_color, (3,))

    def render(
        self,
        mu: Any,
        cov: Any,
        colors: Any = None,
        opacity: Any = None,
        return_torch: bool = True,
    ) -> dict[str, Any]:
        """Draw N Gaussians; differentiable in every tensor.

        Args:
            mu: means [N, 3]. Unit: length.
            cov: covariances [N, 3, 3]. Unit: length².
            colors: red, green, blue [N, 3] or [3]; default: ``particle_color``.
            opacity: [N], [N, 1] or a number in [0, 1]; default: 1.
            return_torch: tensors; else NumPy arrays.

        Returns:
            ``image`` [3, H, W] over the background; ``alpha`` [1, H, W]; ``depth`` [1, H, W], expected depth along
            the view, 0 where alpha is 0, unit length; ``normal`` [3, H, W], alpha-weighted normals in the world's
            frame, each the Gaussian's shortest axis towards the camera, in [-1, 1].
        """
        mu, cov = self._tensor("mu", mu, ("N", 3)), self._tensor("cov", cov, ("N", 3, 3))
        n = len(mu)
        colors = self.particle_color if colors is None else self._tensor("colors", colors, None)
        colors = colors.expand(n, 3) if colors.ndim == 1 else colors
        opacity = mu.new_ones(n) if opacity is None else self._tensor("opacity", opacity, None)
        if opacity.ndim == 2:
            expect_shape(OWNER, "opacity", opacity, (n, 1))
            opacity = opacity[:, 0]
        opacity = opacity.expand(n) if opacity.ndim == 0 else opacity
        expect_shape(OWNER, "opacity", opacity, (n,))
        expect_shape(OWNER, "colors", colors, (n, 3))
        normals = shortest_axes(cov, self.eye - mu.detach())
        drawn, alphas, _ = rasterization(
            mu,
            None,
            None,
            opacity,
            torch.cat([colors, normals], dim=1),
            self.viewmat[None],
            self.K[None],
            self.width,
            self.height,
            near_plane=self.near_plane,
            backgrounds=torch.cat([self.background, torch.zeros_like(self.background)])[None],
            render_mode="RGB+ED",
            covars=cov,
        )
        image, normal, depth = drawn[0].permute(2, 0, 1).split([3, 3, 1])
        result = {"image": image, "alpha": alphas[0].permute(2, 0, 1), "depth": depth, "normal": normal.clamp(-1, 1)}
        return result if return_torch else {name: value.detach().cpu().numpy() for name, value in result.items()}

    def _tensor(self, name: str, value: Any, shape: tuple[int | str, ...] | None) -> Tensor:
        """``value`` as a tensor of the runtime's type on the device, its shape and values checked."""
        if not isinstance(value, Tensor):
            value = torch.as_tensor(np.asarray(value))
        value = value.to(self.device, self.dtype)
        if shape is not None:
            expect_shape(OWNER, name, value, shape)
        expect_finite(OWNER, name, value)
        return value

    def _compare_eye(self, campos: Tensor) -> None:
        if (campos - self.eye).norm() > 1e-3 * (1.0 + self.eye.norm()):
            warnings.warn(
                f"{OWNER}: campos is {campos.tolist()}, but viewmatrix stands at {self.eye.tolist()}, which counts",
                stacklevel=3,
            )

    def _principal_point(self, projmatrix: Any, tanfovx: float, tanfovy: float) -> tuple[float, float]:
        """Where the projection puts the viewing axis, in pixels."""
        middle = (0.5 * self.width, 0.5 * self.height)
        if projmatrix is None:
            return middle
        full = self._tensor("projmatrix", projmatrix, (4, 4)).double().T
        p = full @ torch.linalg.inv(self.viewmat.double())
        expected = p.new_tensor([1.0 / tanfovx, 1.0 / tanfovy])
        if not torch.allclose(p.diagonal()[:2] / p[3, 2], expected, rtol=1e-3):
            warnings.warn(
                f"{OWNER}: projmatrix does not fit viewmatrix and tanfovx, tanfovy (expected viewmatrix @ P.T with "
                f"P[0, 0] = {float(expected[0]):.4g}); the principal point is put in the middle of the image",
                stacklevel=3,
            )
            return middle
        offset = p[:2, 2] / p[3, 2]
        return middle[0] * (1.0 + float(offset[0])), middle[1] * (1.0 + float(offset[1]))


def _positive(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise InputError(f"{OWNER}: {name} is {value!r}; expected a positive number")
    return number


def _eye(viewmat: Tensor) -> Tensor:
    """Where a world-to-camera matrix stands, checked to be one."""
    if (viewmat[3] - viewmat.new_tensor([0.0, 0.0, 0.0, 1.0])).abs().max() > 1e-4:
        raise InputError(
            f"{OWNER}: viewmatrix ends with the column {viewmat[3].tolist()}; expected 0, 0, 0, 1 "
            "(3DGS's convention: transposed, row vectors)"
        )
    eye, failed = torch.linalg.solve_ex(viewmat[:3, :3], -viewmat[:3, 3])
    if failed:
        raise InputError(f"{OWNER}: viewmatrix is singular; expected a rotation and a translation")
    return eye


def _available(device: torch.device | str) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"{OWNER}: device {device} cannot be used ({error}); expected cpu or cuda") from None
