"""What ``rasterization`` expects of its arguments, each mistake with one clear error."""

import math
import numbers

import numpy as np
import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from bridge.memory import MAX_INDEX, expect_fits
from configs.errors import InputError
from render.camera_models import CAMERA_MODELS

OWNER = "rasterization"
RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
RASTERIZE_MODES = ("classic", "antialiased")
REAL_TYPES = (torch.float32, torch.float64)
SINGULAR_DETERMINANT = 1e-8
"""A rotation has determinant 1, in units of its rows' lengths; a matrix with less than this flattens the world."""
SEMIDEFINITE_SLACK = 1e-3
"""How far a covariance's principal minors may be below 0 relative to its largest variance: rounding, and the steps of
finite differences, leave flat Gaussians a little outside."""
SMALL_SUM = 4096
"""Numbers whose sum of squares takes less time than the call that looks at each."""
NUMBERS_PER_PIXEL = 6
"""Besides colours: alpha, depth, transmittance, stop, two running numbers of the adjoint."""
NUMBERS_PER_GAUSSIAN = 12
"""Of each camera: centre, conic, depth, opacity, radii, tiles, sort key and order."""


def refuse(**arguments) -> None:
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{OWNER}: {name} is not supported yet; expected its default")


def check_choices(render_mode: str, rasterize_mode: str, camera_model: str) -> None:
    for name, value, choices in (
        ("render_mode", render_mode, RENDER_MODES),
        ("rasterize_mode", rasterize_mode, RASTERIZE_MODES),
        ("camera_model", camera_model, (*CAMERA_MODELS, "ftheta")),
    ):
        if value not in choices:
            raise InputError(f"{OWNER}: {name} is {value!r}; expected one of {', '.join(choices)}")
    if camera_model not in CAMERA_MODELS:
        expected = ", ".join(CAMERA_MODELS)
        raise NotImplementedError(f"{OWNER}: camera_model={camera_model!r} is not supported yet; expected {expected}")


def whole_pixels(owner: str, **sizes) -> list[int]:
    """The sizes as integers, checked."""
    for name, value in sizes.items():
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not (number and 1 <= value <= MAX_INDEX and int(value) == value):
            raise InputError(f"{owner}: {name} is {value!r}; expected a whole number of pixels from 1 to {MAX_INDEX}")
    return [int(value) for value in sizes.values()]


def check_ranges(near_plane: float, far_plane: float, radius_clip: float, eps2d: float) -> list[float]:
    """Check the numbers; the same as Python's own, whatever library they are of."""
    given = dict(near_plane=near_plane, far_plane=far_plane, radius_clip=radius_clip, eps2d=eps2d)
    near, far, clip, eps = reals = [_number(name, value) for name, value in given.items()]
    if not 0 <= near < far:
        raise InputError(f"{OWNER}: near_plane is {near}, far_plane {far}; expected 0 <= near < far")
    for name, value in (("radius_clip", clip), ("eps2d", eps)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{OWNER}: {name} is {value}; expected a number of at least 0")
    return reals


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{OWNER}: {name} is {value!r}; expected a number") from None


def check_tensor(name: str, tensor: Tensor, shape: tuple[int | str, ...], like: Tensor) -> None:
    """Check all but the values: those of all tensors are checked together (``check_values``)."""
    if (
        isinstance(tensor, Tensor)
        and tensor.shape == shape
        and tensor.dtype in REAL_TYPES
        and tensor.device == like.device
    ):
        return  # what follows says what is wrong
    expect_shape(OWNER, name, tensor, shape)
    expect_real(OWNER, name, tensor)
    if tensor.device != like.device:
        raise InputError(f"{OWNER}: {name} is on {tensor.device}, means on {like.device}; expected one device")


def check_gaussians(means, quats, scales, covars, opacities) -> int:
    """Check the Gaussians; their number."""
    if isinstance(means, Tensor) and means.ndim > 2:
        raise NotImplementedError(
            f"{OWNER}: means has shape {tuple(means.shape)}; batch dimensions are not supported yet; expected (N, 3)"
        )
    check_tensor("means", means, ("N", 3), means)
    n = len(means)
    check_tensor("opacities", opacities, (n,), means)
    if covars is not None:
        check_tensor("covars", covars, (n, 3, 3), means)
        return n
    check_tensor("quats", quats, (n, 4), means)
    check_tensor("scales", scales, (n, 3), means)
    return n


def check_cameras(viewmats: Tensor, Ks: Tensor, means: Tensor) -> int:
    """Check the cameras; their number."""
    check_tensor("viewmats", viewmats, ("C", 4, 4), means)
    check_tensor("Ks", Ks, (len(viewmats), 3, 3), means)
    if not len(viewmats):
        raise InputError(f"{OWNER}: viewmats has no cameras; expected at least 1")
    return len(viewmats)


def check_values(tensors: dict[str, Tensor | None]) -> None:
    """Check the values of tensors by name; ``quats`` or ``covars``, and ``viewmats`` and ``Ks``, among them.

    From a GPU all that is needed to judge comes in one transfer: each would wait for the device.
    """
    given = {name: tensor.detach() for name, tensor in tensors.items() if tensor is not None and tensor.numel()}
    quats, covars = given.get("quats") if tensors["covars"] is None else None, given.get("covars")
    viewmats, Ks = given["viewmats"], given["Ks"]
    if viewmats.is_cpu:
        for name, tensor in given.items():
            if not _surely_finite(tensor):
                expect_finite(OWNER, name, tensor)
        shortest = 1.0 if quats is None else float(np.logical_or.reduce(quats.numpy(), axis=1).all())
    else:
        largest = torch.stack(torch._foreach_norm(list(given.values()), float("inf")))
        extra = largest.new_ones(()) if quats is None else _shortest(quats)
        summary = torch.cat([largest, extra[None], viewmats.flatten(), Ks.flatten()]).cpu()
        if not torch.isfinite(summary).all():
            for name, tensor in given.items():
                expect_finite(OWNER, name, tensor)
        _, rest, matrices, intrinsics = summary.split([len(given), 1, viewmats.numel(), Ks.numel()])
        shortest, viewmats, Ks = float(rest), matrices.reshape(viewmats.shape), intrinsics.reshape(Ks.shape)
    if shortest == 0 and quats is not None:
        first = int((quats == 0).all(dim=1).nonzero()[0])
        raise InputError(f"{OWNER}: quats[{first}] has length 0; expected a rotation (w, x, y, z)")
    if covars is not None:
        _expect_semidefinite(covars)
    for c, (viewmat, K) in enumerate(zip(viewmats.tolist(), Ks.tolist(), strict=True)):
        _check_camera(c, viewmat, K)


def _surely_finite(tensor: Tensor) -> bool:
    """A quick look at a few numbers on the CPU: one that is not finite never leaves the sum of squares finite."""
    if tensor.numel() > SMALL_SUM:
        return False
    array = tensor.numpy()
    return math.isfinite(np.vdot(array, array))


def _shortest(quats: Tensor) -> Tensor:
    """The largest entry of the quaternion where that is smallest."""
    return torch.linalg.vector_norm(quats, float("inf"), dim=1).amin()


def _check_camera(c: int, viewmat: list[list[float]], K: list[list[float]]) -> None:
    """Plain numbers: for so few of them any library's call takes longer."""
    (a, b, x, _), (d, e, y, _), (g, h, z, _), last = viewmat
    if max(abs(last[0]), abs(last[1]), abs(last[2]), abs(last[3] - 1.0)) > 1e-4:
        raise InputError(
            f"{OWNER}: viewmats[{c}] ends with the row {last}; expected 0, 0, 0, 1 "
            "(world to camera, column vectors: transpose a row-vector matrix)"
        )
    volume = math.hypot(a, b, x) * math.hypot(d, e, y) * math.hypot(g, h, z)
    if abs(a * (e * z - y * h) - b * (d * z - y * g) + x * (d * h - e * g)) <= SINGULAR_DETERMINANT * volume:
        raise InputError(f"{OWNER}: viewmats[{c}] is singular; expected a rotation and a translation")
    if not (K[0][0] > 0 and K[1][1] > 0):
        raise InputError(f"{OWNER}: Ks[{c}] has focal lengths {(K[0][0], K[1][1])}; expected positive pixels")


def check_memory(cameras: int, n: int, height: int, width: int, colors: Tensor, needs_grad: bool) -> None:
    """Raise unless the images and the projected Gaussians fit memory and 32-bit indices."""
    pixels, channels = cameras * height * width, colors.shape[-1]
    largest = max(pixels * max(channels, 2), cameras * n * max(channels, 3), n * 9, colors.numel())
    count = pixels * (channels + NUMBERS_PER_PIXEL) + cameras * n * NUMBERS_PER_GAUSSIAN + colors.numel()
    what = f"{cameras} images of {width}×{height} pixels and {channels} channels of {n} Gaussians"
    advice = "draw fewer cameras at a time, or smaller images"
    expect_fits(OWNER, what, count * (2 if needs_grad else 1), largest, advice)


def _expect_semidefinite(covars: Tensor) -> None:
    """Raise, with the first index, unless all principal minors are non-negative but for ``SEMIDEFINITE_SLACK``."""
    a = covars.detach()
    a = 0.5 * (a + a.mT)
    scale = a.diagonal(dim1=1, dim2=2).abs().amax(dim=1).clamp(min=torch.finfo(a.dtype).tiny)
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = (row.unbind(0) for row in (a / scale[:, None, None]).permute(1, 2, 0))
    minors = [xx, yy, zz, xx * yy - xy * xy, yy * zz - yz * yz, xx * zz - xz * xz]
    minors.append(xx * minors[4] - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz))
    smallest = torch.stack(minors).amin(dim=0)
    bad = ~(smallest >= -SEMIDEFINITE_SLACK)
    if bad.any():
        first = int(bad.nonzero()[0])
        value = float(torch.linalg.eigvalsh(a[first])[0])
        raise InputError(
            f"{OWNER}: covars is not positive semi-definite in {int(bad.sum())} matrices, first covars[{first}] with "
            f"eigenvalue {value:.4g}; expected covariances"
        )
