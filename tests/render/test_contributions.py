"""Ids and weights behind pixels, visibility, median depth, normals, gsplat's keys: against the twin and the oracle."""

from pathlib import Path

import numpy as np
import pytest
import taichi as ti
import torch

from bridge.binning import bin_gaussians
from bridge.contributions import median_depth, pixel_contributions
from bridge.normals import gaussian_normals
from bridge.rasterization import rasterization
from configs.errors import InputError
from kernels.arrays import from_numpy
from render.blending import cutoff_exponent, loose_cutoff
from tests.directional import directional_error
from tests.reference.rasterize import project, quaternion_covariance, weights
from tests.render.scenes import leaves, random_scene

ORACLE = Path(__file__).parents[1] / "data" / "raster_a.npz"


def draw(scene, **options):
    return rasterization(quats=None, scales=None, **scene, **options)


def dense_weights(scene, c):
    """The twin's weights [H, W, N] in the Gaussians' own order, and the last one met with T > 1/2 [H, W]."""
    size = scene["width"], scene["height"]
    args = [scene[name].double() for name in ("means", "covars", "opacities")]
    view, K = scene["viewmats"][c].double(), scene["Ks"][c].double()
    means2d, conics, depths, opacities = project(*args, view, K, *size, 0.01, 0.3, False)
    order, w, before, _ = weights(means2d, conics, depths, opacities, *size)
    met = (w > 0) & (before[:, :-1] > 0.5)
    place = torch.where(met, torch.arange(len(order)), -1).amax(dim=1)
    median = torch.where(place >= 0, order[place], -1)
    dense = torch.zeros_like(w)
    dense[:, order] = w
    rank = torch.argsort(order)
    return dense.reshape(size[1], size[0], -1), median.reshape(size[1], size[0]), rank


def compare(scene, k, tolerance):
    found = pixel_contributions(draw(scene)[2], k)
    for c in range(len(scene["viewmats"])):
        dense, median, rank = dense_weights(scene, c)
        torch.testing.assert_close(found.weight_sums[c].double(), dense.sum(dim=(0, 1)), rtol=0, atol=100 * tolerance)
        torch.testing.assert_close(found.weight_maxima[c].double(), dense.amax(dim=(0, 1)), rtol=0, atol=tolerance)
        assert (found.median_ids[c] == median).all()
        counts = (dense > 0).sum(dim=-1)
        assert (found.counts[c] == counts).all()
        ids, kept = found.ids[c].long(), found.weights[c].double()
        empty = ids < 0
        assert (empty == (torch.arange(k) >= counts[..., None])).all()
        assert (kept[empty] == 0).all()
        torch.testing.assert_close(kept, dense.gather(-1, ids.clamp(min=0)) * ~empty, rtol=0, atol=tolerance)
        ranks = torch.where(empty, len(rank), rank[ids.clamp(min=0)])
        assert (ranks.diff(dim=-1) >= 0).all()  # front to back
        nearest = torch.where(dense > 0, rank, len(rank)).amin(dim=-1)
        assert (ranks[..., 0] == nearest).all()


@pytest.mark.parametrize("k", [1, 3, 30])
def test_contributions(k):
    compare(random_scene(n=30), k, 1e-12)


@pytest.mark.runtime("vulkan", "float32")
def test_on_vulkan():
    compare(random_scene(n=20, dtype=torch.float32, seed=1), 3, 2e-5)


@ti.kernel
def _spared(opacities: ti.types.ndarray(ndim=1), spared: ti.types.ndarray(ndim=1)):
    for i in opacities:
        spared[i] = loose_cutoff(opacities[i]) - cutoff_exponent(opacities[i])


def test_no_exponential_is_spared_that_is_needed():
    """Of opacities above 1 neither, which the interface lets through."""
    opacities, spared = from_numpy(np.array([0.0, 0.004, 0.3, 1.0, 1.5, 40.0])), from_numpy(np.full(6, -1.0))
    _spared(opacities, spared)
    assert (spared.to_numpy() > 0).all()


def test_weights_sum_to_alpha():
    scene = random_scene(n=30)
    _, alphas, meta = draw(scene)
    torch.testing.assert_close(pixel_contributions(meta, 30).weights.sum(dim=-1), alphas[..., 0], rtol=0, atol=1e-12)


def test_nothing_to_see():
    meta = draw(random_scene(n=0))[2]
    found = pixel_contributions(meta, 2)
    assert (found.ids == -1).all()
    assert found.weight_sums.shape == (2, 0)
    assert (median_depth(meta) == 0).all()
    assert len(meta["isect_ids"]) == 0


def test_median_depth_is_gsplats():
    data = np.load(ORACLE)
    given = {name: torch.as_tensor(data[f"in/{name}"]) for name in ("means", "quats", "scales", "opacities", "colors")}
    cameras = {"viewmats": torch.as_tensor(data["in/viewmat"])[None], "Ks": torch.as_tensor(data["in/K"])[None]}
    size = {"width": int(data["in/width"]), "height": int(data["in/height"])}
    meta = rasterization(**given, **cameras, **size, return_median_depth=True)[2]
    safe, expected = data["in/safe"], data["gsplat153_classic/median_depth"]
    np.testing.assert_allclose(meta["median_depths"][0, ..., 0].numpy()[safe], expected[safe], rtol=0, atol=1e-8)


def test_median_depth_differentiates():
    """A shift of all Gaussians along the view shifts the depth of every pixel that has one."""
    scene = leaves(random_scene(n=30))
    depth = median_depth(draw(scene)[2])[0]
    depth.sum().backward()
    forward = scene["viewmats"].detach()[0, 2, :3]
    torch.testing.assert_close(scene["means"].grad.sum(dim=0), forward * (depth > 0).sum())


@pytest.mark.parametrize("camera_model", ["pinhole", "ortho"])
def test_normals_of_quaternions_and_covariances_agree(camera_model):
    scene = random_scene(n=20)
    torch.manual_seed(7)  # other numbers than the directions': along q itself the derivative is 0
    quats = torch.randn(20, 4, dtype=torch.float64)
    scales = 0.1 + 0.3 * torch.rand(20, 3, dtype=torch.float64)
    covars = quaternion_covariance(quats, scales)
    args = (scene["means"], scene["viewmats"])
    a = gaussian_normals(*args, quats, scales, camera_model=camera_model)
    b = gaussian_normals(*args, covars=covars, camera_model=camera_model)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
    if camera_model == "ortho":
        assert (torch.einsum("cni,ci->cn", a, scene["viewmats"][:, 2, :3]) <= 0).all()
    seeds = torch.randn_like(a)

    def loss(quats):
        return (gaussian_normals(*args, quats, scales) * seeds).sum()

    assert directional_error(loss, {"quats": quats}, "quats") <= 1e-6


def test_normals_are_composited_like_colours():
    scene = random_scene(n=20)
    images, _, meta = draw(scene, return_normals=True, render_mode="RGB+ED")
    plain = draw(scene, render_mode="RGB+ED")[0]
    torch.testing.assert_close(images, plain, rtol=0, atol=1e-12)
    normals = gaussian_normals(scene["means"], scene["viewmats"], covars=scene["covars"])
    black = torch.zeros(2, 3, dtype=torch.float64)
    expected = draw({**scene, "colors": normals, "backgrounds": black})[0]
    torch.testing.assert_close(meta["normals"], expected, rtol=0, atol=1e-12)
    assert draw(scene, return_normals=True, render_mode="D")[0].shape[-1] == 1


def test_keys_are_sorted_and_name_camera_tile_and_depth():
    meta = draw(random_scene(n=40, cameras=3))[2]
    assert "isect_ids" in meta
    keys = meta.get("isect_ids")
    assert keys is meta["isect_ids"]
    assert (keys.diff() >= 0).all()
    bits = (meta["tile_width"] * meta["tile_height"]).bit_length()
    assert (keys >> (32 + bits) == meta["flatten_ids"] // 40).all()
    depths = (keys & 0xFFFFFFFF).to(torch.int32).view(torch.float32)
    assert (depths == meta["depths"].flatten()[meta["flatten_ids"].long()].float()).all()
    tiles = (keys >> 32) & ((1 << bits) - 1)
    counts = torch.bincount((keys >> (32 + bits)) * 6 + tiles, minlength=18)
    ends = torch.cat([meta["isect_offsets"].flatten()[1:], torch.tensor([len(keys)])])
    assert (counts == ends - meta["isect_offsets"].flatten()).all()
    assert meta.get("no such thing", 7) == 7
    with pytest.raises(KeyError):
        meta["no such thing"]


def test_the_binning_stage_makes_the_same_lists():
    scene = random_scene(n=40)
    meta = draw(scene)[2]
    projected = [meta[name] for name in ("means2d", "radii", "depths")]
    shapes = {name: meta[name] for name in ("conics", "opacities")}
    lists = bin_gaussians(*projected, scene["width"], scene["height"], **shapes)
    for name in ("tiles_per_gauss", "isect_offsets", "flatten_ids"):
        assert (getattr(lists, name) == meta[name]).all()


def test_mistakes_are_named():
    meta = draw(random_scene(n=2))[2]
    with pytest.raises(InputError, match="k is 0"):
        pixel_contributions(meta, 0)
    with pytest.raises(InputError, match="expected fewer than 2³¹"):
        pixel_contributions(meta, 2_000_000)
