"""Images and gradients that an independent float64 program made from gsplat 1.5.3's own torch reference."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.projection import covariances
from bridge.rasterization import rasterization

ORACLE = np.load(Path(__file__).parents[1] / "data" / "raster_a.npz")
BOUNDS = {"float64": (1e-8, 1e-8), "float32": (2e-5, 1e-4)}
VARIANTS = ("classic", "antialiased")
HARMONIC_VARIANTS = {"classic_sh3": 3, "classic_sh1": 1}


def oracle(key):
    return torch.as_tensor(ORACLE[key])


def inputs(dtype):
    names = ("means", "quats", "scales", "opacities", "colors", "sh_coeffs", "viewmat", "K", "background")
    return {name: oracle(f"in/{name}").to(dtype).requires_grad_() for name in names}


def draw(given, variant, covars=None):
    degree = HARMONIC_VARIANTS.get(variant)
    images, alphas, meta = rasterization(
        given["means"],
        given["quats"],
        given["scales"],
        given["opacities"],
        given["colors"] if degree is None else given["sh_coeffs"],
        given["viewmat"][None],
        given["K"][None],
        int(ORACLE["in/width"]),
        int(ORACLE["in/height"]),
        near_plane=float(ORACLE["in/near"]),
        far_plane=float(ORACLE["in/far"]),
        backgrounds=given["background"][None],
        render_mode="RGB+D",
        rasterize_mode=variant.removesuffix(f"_sh{degree}"),
        sh_degree=degree,
        absgrad=True,
        covars=covars,
    )
    return images[0], alphas[0, :, :, 0], meta


def relative(value, expected):
    return float((value.double() - expected).norm() / expected.norm())


def check(mode, dtype, image_bound, gradient_bound):
    variant, safe = f"gsplat153_{mode}", oracle("in/safe")
    for case in ("grad_rgb", "grad_all"):
        given = inputs(dtype)
        image, alpha, meta = draw(given, mode)
        for value, key in ((image[..., :3], "image"), (alpha, "alpha"), (image[..., 3], "depth")):
            assert (value - oracle(f"{variant}/{key}"))[safe].abs().max() <= image_bound
        meta["means2d"].retain_grad()
        meta["conics"].retain_grad()
        meta["opacities"].retain_grad()
        loss = (image[..., :3] * oracle("in/v_image")).sum()
        if case == "grad_all":
            loss = loss + (alpha * oracle("in/v_alpha")).sum() + (image[..., 3] * oracle("in/v_depth")).sum()
        loss.backward()
        gradients = {name: tensor.grad for name, tensor in given.items() if tensor.grad is not None}
        if mode in HARMONIC_VARIANTS:
            gradients["colors"] = gradients.pop("sh_coeffs")
        gradients["means2d"] = meta["means2d"].grad[0]
        gradients["means2d_abs"] = meta["means2d"].absgrad[0]
        gradients["conics"] = meta["conics"].grad[0]
        gradients["opacities2d"] = meta["opacities"].grad[0]
        for name, gradient in gradients.items():
            expected = oracle(f"{variant}/{case}/{name}")
            assert relative(gradient, expected) <= gradient_bound, (case, name)
            assert (gradient[expected == 0] == 0).all(), (case, name)


@pytest.mark.parametrize("mode", [*VARIANTS, *HARMONIC_VARIANTS])
def test_float64(mode):
    check(mode, torch.float64, *BOUNDS["float64"])


@pytest.mark.parametrize("mode", [*VARIANTS, *HARMONIC_VARIANTS])
@pytest.mark.runtime("cpu", "float32")
def test_float32(mode):
    check(mode, torch.float32, *BOUNDS["float32"])


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    check("antialiased", torch.float32, *BOUNDS["float32"])


@pytest.mark.parametrize("mode", VARIANTS)
def test_covariances_and_pose(mode):
    """Gradients to 3×3 covariances, and to the pose as a left twist (translation, rotation)."""
    given = inputs(torch.float64)
    covars = covariances(given["quats"], given["scales"]).detach().requires_grad_()
    torch.testing.assert_close(covars.detach(), oracle("in/covars"), rtol=0, atol=1e-14)
    image, alpha, _ = draw(given, mode, covars)
    seeds = [oracle(f"in/v_{name}") for name in ("image", "alpha", "depth")]
    ((image[..., :3] * seeds[0]).sum() + (alpha * seeds[1]).sum() + (image[..., 3] * seeds[2]).sum()).backward()
    assert relative(covars.grad, oracle(f"gsplat153_{mode}/grad_all/covars")) <= 1e-8
    moment = given["viewmat"].grad[:3] @ given["viewmat"].detach()[:3].T
    turn = torch.stack([moment[2, 1] - moment[1, 2], moment[0, 2] - moment[2, 0], moment[1, 0] - moment[0, 1]])
    twist = torch.cat([given["viewmat"].grad[:3, 3], turn])
    assert relative(twist, oracle(f"gsplat153_{mode}/grad_all/pose_twist")) <= 1e-8


@pytest.mark.parametrize("mode", VARIANTS)
def test_projected_gaussians(mode):
    meta = draw(inputs(torch.float64), mode)[2]
    variant = f"gsplat153_{mode}"
    ids = oracle(f"{variant}/projected_ids")
    for name in ("means2d", "conics", "depths", "opacities"):
        torch.testing.assert_close(meta[name][0, ids], oracle(f"{variant}/projected_{name}"), rtol=1e-12, atol=1e-12)
    # The oracle's boxes do not use the opacity: ours, like gsplat's kernels, are no larger.
    assert (meta["radii"][0, ids] <= oracle(f"{variant}/projected_radii")).all()
    assert int((meta["radii"][0] > 0).all(dim=1).sum()) == len(ids)
    a, b, c = oracle(f"{variant}/projected_conics").unbind(-1)
    variances = torch.stack([c, a], dim=-1) / (a * c - b * b)[:, None]
    extent = (2 * (255 * oracle(f"{variant}/projected_opacities")).log()).sqrt()
    torch.testing.assert_close(meta["radii"][0, ids].double(), (extent[:, None] * variances.sqrt()).ceil())


def test_expected_depth():
    given = inputs(torch.float64)
    depth, _, _ = rasterization(
        *(given[name] for name in ("means", "quats", "scales", "opacities", "colors")),
        given["viewmat"][None],
        given["K"][None],
        int(ORACLE["in/width"]),
        int(ORACLE["in/height"]),
        render_mode="ED",
    )
    safe = oracle("in/safe")
    assert (depth[0, ..., 0] - oracle("gsplat153_classic/expected_depth"))[safe].abs().max() <= 1e-8
