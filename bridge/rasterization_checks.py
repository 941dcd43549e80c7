"""What ``rasterization`` expects of its arguments, each mistake with one clear error."""

import functools
import math
import numbers
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bridge.checks import expect_finite, expect_real, expect_shape
from bridge.compositing import View
from bridge.memory import MAX_INDEX, expect_fits
from bridge.runtime import current
from bridge.spherical_harmonics import check_degree
from configs.errors import InputError
from render.camera_models import CAMERA_MODELS
from render.projection import ProjectionSettings
from render.splats import NUMBERS
from render.value_checks import SEMIDEFINITE_SLACK

OWNER = "rasterization"
DEPTH_CHANNELS = {
    "RGB": "none",
    "D": "accumulated",
    "ED": "expected",
    "RGB+D": "accumulated",
    "RGB+ED": "expected",
}
"""The render modes, and what the image's last channel holds in each."""
RASTERIZE_MODES = ("classic", "antialiased")
PLAIN = {int, float, bool, str}
REAL_TYPES = (torch.float32, torch.float64)
SINGULAR_DETERMINANT = 1e-8
"""A rotation has determinant 1, in units of its rows' lengths; a matrix with less than this flattens the world."""
NUMBERS_PER_PIXEL = 6
"""Besides colours: alpha, depth, transmittance, stop, two running numbers of the adjoint."""
NUMBERS_PER_GAUSSIAN = 12
"""Of each camera: centre, conic, depth, opacity, radii, tiles, sort key and order."""
FORMS_REMEMBERED = 256
"""Shapes and types of arguments that are not checked again."""


def refuse(**arguments) -> None:
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{OWNER}: {name} is not supported yet; expected its default")


class Options(NamedTuple):
    """What ``rasterization`` is told besides tensors, checked."""

    settings: ProjectionSettings
    view: View
    draws_colors: bool


def read_options(*given) -> Options:
    """Check and order the options; those that are plain words and numbers are remembered."""
    return (_remembered if PLAIN.issuperset(map(type, given)) else _read_options)(*given)


def _read_options(
    width,
    height,
    tile_size,
    near_plane,
    far_plane,
    radius_clip,
    eps2d,
    render_mode,
    rasterize_mode,
    camera_model,
    absgrad,
) -> Options:
    check_choices(render_mode, rasterize_mode, camera_model)
    width, height, tile_size = whole_pixels(OWNER, width=width, height=height, tile_size=tile_size)
    ranges = check_ranges(near_plane, far_plane, radius_clip, eps2d)
    settings = ProjectionSettings(width, height, *ranges, rasterize_mode == "antialiased", camera_model)
    view = View(width, height, tile_size, DEPTH_CHANNELS[render_mode], bool(absgrad))
    return Options(settings, view, "RGB" in render_mode)


_remembered = functools.lru_cache(maxsize=64, typed=True)(_read_options)


def check_choices(render_mode: str, rasterize_mode: str, camera_model: str) -> None:
    for name, value, choices in (
        ("render_mode", render_mode, DEPTH_CHANNELS),
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


def check_ranges(
    near_plane: float, far_plane: float, radius_clip: float, eps2d: float
) -> tuple[float, float, float, float]:
    """Check the numbers; the same as Python's own, whatever library they are of."""
    given = dict(near_plane=near_plane, far_plane=far_plane, radius_clip=radius_clip, eps2d=eps2d)
    near, far, clip, eps = [_number(name, value) for name, value in given.items()]
    if not 0 <= near < far:
        raise InputError(f"{OWNER}: near_plane is {near}, far_plane {far}; expected 0 <= near < far")
    for name, value in (("radius_clip", clip), ("eps2d", eps)):
        if not 0 <= value < float("inf"):
            raise InputError(f"{OWNER}: {name} is {value}; expected a number of at least 0")
    return near, far, clip, eps


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{OWNER}: {name} is {value!r}; expected a number") from None


def check_tensor(name: str, tensor: Tensor, shape: tuple[int | str, ...], like: Tensor) -> None:
    """Check all but the values, which kernels look at while they project (render/value_checks.py)."""
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


def check_tensors(tensors: dict[str, Any], sh_degree: int | None) -> None:
    """Check all tensors of ``rasterization`` but for their values; forms that were found right are remembered.

    Args:
        tensors: by their names there, None for what is not used.
        sh_degree: None: ``colors``, if there are any, are colours.
    """
    forms = (repr(sh_degree), *map(_form, tensors.values()))
    if forms in _right_forms:
        return
    _check_gaussians(**{name: tensors[name] for name in ("means", "quats", "scales", "covars", "opacities")})
    means, viewmats = tensors["means"], tensors["viewmats"]
    check_tensor("viewmats", viewmats, ("C", 4, 4), means)
    check_tensor("Ks", tensors["Ks"], (len(viewmats), 3, 3), means)
    if not len(viewmats):
        raise InputError(f"{OWNER}: viewmats has no cameras; expected at least 1")
    if tensors["colors"] is not None:
        _check_colors(tensors["colors"], tensors["backgrounds"], sh_degree, tensors["sh_rotations"], viewmats, means)
    if len(_right_forms) >= FORMS_REMEMBERED:
        _right_forms.clear()
    _right_forms.add(forms)


def _form(tensor: Any) -> Any:
    """All that ``check_tensors`` looks at."""
    return (tensor.shape, tensor.dtype, tensor.device) if isinstance(tensor, Tensor) else type(tensor)


_right_forms: set[tuple] = set()


def _check_gaussians(means, quats, scales, covars, opacities) -> None:
    if isinstance(means, Tensor) and means.ndim > 2:
        raise NotImplementedError(
            f"{OWNER}: means has shape {tuple(means.shape)}; batch dimensions are not supported yet; expected (N, 3)"
        )
    check_tensor("means", means, ("N", 3), means)
    n = len(means)
    check_tensor("opacities", opacities, (n,), means)
    if covars is not None:
        check_tensor("covars", covars, (n, 3, 3), means)
    else:
        check_tensor("quats", quats, (n, 4), means)
        check_tensor("scales", scales, (n, 3), means)


def _check_colors(colors, backgrounds, sh_degree, sh_rotations, viewmats, means) -> None:
    cameras, n = len(viewmats), len(means)
    last: tuple[str, ...] = ("D",) if sh_degree is None else ("K", "D")
    per_camera = isinstance(colors, Tensor) and colors.ndim == 2 + len(last)
    check_tensor("colors", colors, (cameras, n, *last) if per_camera else (n, *last), means)
    if colors.shape[-1] == 0:
        raise InputError(f"{OWNER}: colors has no channels; expected at least 1")
    if sh_degree is not None:
        check_degree(OWNER, "sh_degree", sh_degree, colors.shape[-2])
    if sh_rotations is not None:
        check_tensor("sh_rotations", sh_rotations, (n, 3, 3), means)
    if backgrounds is not None:
        check_tensor("backgrounds", backgrounds, (cameras, colors.shape[-1]), means)


def check_values(tensors: dict[str, Any]) -> None:
    """Raise for the first tensor, by name, that is not finite, for what is no rotation, no covariance and no camera."""
    for name, tensor in tensors.items():
        if tensor is not None:
            expect_finite(OWNER, name, tensor.to(current().dtype))
    if tensors["covars"] is not None:
        _expect_semidefinite(tensors["covars"])
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


def check_memory(cameras: int, n: int, view: View, colors: Tensor) -> None:
    """Raise unless the images and the projected Gaussians fit memory and 32-bit indices."""
    pixels, channels = cameras * view.height * view.width, colors.shape[-1]
    largest = max(pixels * max(channels, 2), cameras * n * max(channels, NUMBERS), n * 9, colors.numel())
    count = pixels * (channels + NUMBERS_PER_PIXEL) + cameras * n * NUMBERS_PER_GAUSSIAN + colors.numel()

    def what() -> str:
        return f"{cameras} images of {view.width}×{view.height} pixels and {channels} channels of {n} Gaussians"

    advice = "draw fewer cameras at a time, or smaller images"
    expect_fits(OWNER, what, count * (2 if torch.is_grad_enabled() else 1), largest, advice)


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
