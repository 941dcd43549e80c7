"""What ``rasterization`` expects of its arguments, each mistake with one clear error."""

import math
import numbers
from typing import Any

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from bridge.exchange import put
from bridge.lent_memory import launches
from bridge.memory import MAX_INDEX, expect_fits
from bridge.runtime import current
from configs.errors import InputError
from kernels.arrays import int_array
from render.camera_models import CAMERA_MODELS
from render.value_checks import find_faults

OWNER = "rasterization"
RENDER_MODES = ("RGB", "D", "ED", "RGB+D", "RGB+ED")
RASTERIZE_MODES = ("classic", "antialiased")
REAL_TYPES = (torch.float32, torch.float64)
SINGULAR_DETERMINANT = 1e-8
"""A rotation has determinant 1, in units of its rows' lengths; a matrix with less than this flattens the world."""
SEMIDEFINITE_SLACK = 1e-3
"""How far a covariance's principal minors may be below 0 relative to its largest variance: rounding, and the steps of
finite differences, leave flat Gaussians a little outside."""
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
    """Check all but the values: those of all tensors are checked together (``ValueCheck``)."""
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


class ValueCheck:
    """Whether the values of the tensors are right, found out while the stages run.

    From a GPU an answer takes as long as all that it has to do before: it is waited for when the tile lists are made,
    which is waited for anyway.

    Args:
        tensors: by the names of ``rasterization``, all of them, None where there is none.
    """

    def __init__(self, tensors: dict[str, Any]):
        self._tensors, self._faults = tensors, None
        means, covars = tensors["means"], tensors["covars"]
        if covars is not None:
            _expect_semidefinite(covars)
        given = [tensor for tensor in tensors.values() if tensor is not None]
        if not means.numel() or not _kernels_read(given):
            check_values(tensors)
            return
        with launches(tensors=True):
            faults = int_array(1)
            arrays = {name: put(t, t.shape) for name, t in tensors.items() if t is not None and t.numel()}
            some = arrays["viewmats"]
            shapes = (arrays["quats"], arrays["scales"]) if covars is None else (arrays["covars"],) * 2
            others = [arrays.get(name, some) for name in ("colors", "backgrounds", "sh_rotations")]
            cameras = (some, arrays["Ks"])
            find_faults(covars is None, arrays["means"], *shapes, arrays["opacities"], *others, *cameras, faults)
        if means.is_cpu:
            self._faults = faults
            self.expect_right()
        else:
            self._faults = torch.empty(1, dtype=torch.int32, pin_memory=True)
            self._faults.copy_(faults, non_blocking=True)

    def expect_right(self, wait: bool = False) -> None:
        """Raise unless they are; after the device was waited for, or it is now."""
        if wait and self._faults is not None and not self._tensors["means"].is_cpu:
            torch.cuda.synchronize()
        if self._faults is not None and self._faults.item():
            check_values(self._tensors)


def _kernels_read(tensors: list[Tensor]) -> bool:
    """Whether kernels read the tensors' own memory."""
    runtime = current()
    return all(tensor.device.type == runtime.backend and tensor.dtype == runtime.dtype for tensor in tensors)


def check_values(tensors: dict[str, Any]) -> None:
    """Raise for the first tensor, by name, that is not finite, for quaternions of length 0 and for false cameras."""
    for name, tensor in tensors.items():
        if tensor is not None:
            expect_finite(OWNER, name, tensor)
    quats = tensors["quats"]
    if quats is not None and (none := (quats.detach() == 0).all(dim=1)).any():
        first = int(none.nonzero()[0])
        raise InputError(f"{OWNER}: quats[{first}] has length 0; expected a rotation (w, x, y, z)")
    matrices, intrinsics = (tensors[name].tolist() for name in ("viewmats", "Ks"))
    for c, (viewmat, K) in enumerate(zip(matrices, intrinsics, strict=True)):
        _check_camera(c, viewmat, K)


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
        expect_finite(OWNER, "covars", covars)
        first = int(bad.nonzero()[0])
        value = float(torch.linalg.eigvalsh(a[first])[0])
        raise InputError(
            f"{OWNER}: covars is not positive semi-definite in {int(bad.sum())} matrices, first covars[{first}] with "
            f"eigenvalue {value:.4g}; expected covariances"
        )
