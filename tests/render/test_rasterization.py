"""The interface of bridge.rasterization: gsplat's names and meanings, torch's manners, errors."""

import gc
import inspect

import numpy as np
import pytest
import torch

from bridge.compositing import composite_gaussians
from bridge.projection import ProjectionSettings, project_gaussians
from bridge.rasterization import rasterization
from configs.errors import InputError
from render.projection import Projection
from tests.reference.rasterize import quaternion_covariance
from tests.render.scenes import TENSORS, leaves, random_scene


def draw(scene, **options):
    return rasterization(quats=None, scales=None, **{**scene, **options})


GSPLAT_ARGUMENTS = """
means quats scales opacities colors viewmats Ks width height near_plane=0.01 far_plane=10000000000.0 radius_clip=0.0
eps2d=0.3 sh_degree=None packed=True tile_size=16 backgrounds=None render_mode=RGB sparse_grad=False absgrad=False
rasterize_mode=classic channel_chunk=32 distributed=False camera_model=pinhole segmented=False covars=None
with_ut=False with_eval3d=False radial_coeffs=None tangential_coeffs=None thin_prism_coeffs=None ftheta_coeffs=None
rolling_shutter=None viewmats_rs=None
"""
"""Of gsplat 1.5.3, but for ``rolling_shutter``, whose default is a value of an enumeration of its own."""


def test_arguments_are_gsplats_in_order_with_their_defaults():
    parameters = inspect.signature(rasterization).parameters.values()
    ours = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters if p.kind != p.KEYWORD_ONLY]
    assert ours == GSPLAT_ARGUMENTS.split()


def test_shapes_and_meta():
    scene = random_scene(n=40, cameras=2)
    images, alphas, meta = draw(scene)
    assert images.shape == (2, 29, 37, 3)
    assert alphas.shape == (2, 29, 37, 1)
    shapes = {"radii": (2, 40, 2), "means2d": (2, 40, 2), "depths": (2, 40), "conics": (2, 40, 3)}
    shapes |= {"opacities": (2, 40), "tiles_per_gauss": (2, 40), "isect_offsets": (2, 2, 3)}
    assert {name: tuple(meta[name].shape) for name in shapes} == shapes
    assert meta["radii"].dtype == torch.int32
    assert meta["camera_ids"] is None
    assert meta["gaussian_ids"] is None
    assert [meta[k] for k in ("width", "height", "tile_size", "n_cameras", "tile_width", "tile_height")] == [
        *(37, 29, 16, 2, 3, 2)
    ]
    assert int(meta["tiles_per_gauss"].sum()) == len(meta["flatten_ids"])


def test_tile_lists_hold_each_gaussian_once_nearest_first():
    meta = draw(random_scene(n=40, cameras=2))[2]
    ends = torch.cat([meta["isect_offsets"].flatten()[1:], torch.tensor([len(meta["flatten_ids"])])])
    depths = meta["depths"].flatten()
    for tile, (begin, end) in enumerate(zip(meta["isect_offsets"].flatten(), ends, strict=True)):
        ids = meta["flatten_ids"][begin:end].long()
        assert (depths[ids].float().diff() >= 0).all()
        assert len(set(ids.tolist())) == len(ids)
        assert (ids // 40 == tile // 6).all()


def test_render_modes():
    scene = random_scene(n=40)
    both, alphas, _ = draw(scene, render_mode="RGB+D")
    colors, depth = both[..., :3], both[..., 3:]
    torch.testing.assert_close(draw(scene)[0], colors)
    torch.testing.assert_close(draw(scene, render_mode="D")[0], depth)
    expected = torch.where(alphas > 0, depth / alphas, 0.0)
    torch.testing.assert_close(draw(scene, render_mode="ED")[0], expected)
    torch.testing.assert_close(draw(scene, render_mode="RGB+ED")[0], torch.cat([colors, expected], dim=-1))


def test_performance_options_change_nothing():
    scene = random_scene(n=20)
    changed = draw(scene, packed=False, channel_chunk=1, segmented=True)[0]
    torch.testing.assert_close(changed, draw(scene)[0], rtol=0, atol=0)


def test_quaternions_and_scales_equal_their_covariances():
    scene = random_scene(n=20)
    quats, scales = torch.randn(20, 4, dtype=torch.float64), 0.3 * torch.rand(20, 3, dtype=torch.float64)
    del scene["covars"]
    images = rasterization(quats=quats, scales=scales, **scene)[0]
    expected = draw({**scene, "covars": quaternion_covariance(quats, scales)})[0]
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [0, 5])
@pytest.mark.parametrize("where", [(0, 0, -9), (90, 0, 0), (0, -90, 0)])
def test_nothing_to_see(n, where):
    """No Gaussians, all behind the camera, all outside the image: the background, and gradients of 0."""
    scene = random_scene(n=n)
    scene["means"] = 0.1 * scene["means"] + torch.tensor(where, dtype=torch.float64)
    scene = leaves(scene)
    images, alphas, meta = draw(scene, render_mode="RGB+ED")
    assert (alphas == 0).all()
    expected = scene["backgrounds"][:, None, None].expand(-1, 29, 37, -1)
    torch.testing.assert_close(images[..., :3], expected)
    assert (images[..., 3] == 0).all()
    assert (meta["radii"] == 0).all()
    (images.sum() + alphas.sum()).backward()
    assert all((scene[name].grad == 0).all() for name in TENSORS if name != "backgrounds")
    torch.testing.assert_close(scene["backgrounds"].grad, torch.full((2, 3), 37.0 * 29, dtype=torch.float64))


def test_near_far_and_radius_leave_gaussians_out():
    scene = random_scene(n=60)
    meta = draw(scene)[2]
    seen = meta["radii"][..., 0] > 0
    depths = meta["depths"][seen]
    near, far = depths.quantile(0.3).item(), depths.quantile(0.7).item()
    clipped = draw(scene, near_plane=near, far_plane=far)[2]["radii"][..., 0] > 0
    assert (clipped == (seen & (meta["depths"] >= near) & (meta["depths"] <= far))).all()
    limit = meta["radii"][seen].double().median().item()
    large = draw(scene, radius_clip=limit)[2]["radii"][..., 0] > 0
    assert (large == (meta["radii"] > limit).any(dim=-1)).all()


def test_absgrad_bounds_the_gradient():
    scene = leaves(random_scene())
    images, _, meta = draw(scene, absgrad=True)
    meta["means2d"].retain_grad()
    (images**2).sum().backward()
    assert (meta["means2d"].absgrad >= meta["means2d"].grad.abs() - 1e-12).all()
    assert meta["means2d"].absgrad.abs().sum() > meta["means2d"].grad.abs().sum() > 0


@pytest.mark.parametrize("absgrad", [False, True])
def test_meta_feeds_densification(absgrad):
    """What gsplat's default strategy accumulates, in its dense branch: gradient norms in half images, and counts."""
    scene = leaves(random_scene(n=60))
    images, _, meta = draw(scene, absgrad=absgrad)
    meta["means2d"].retain_grad()
    (images**2).mean().backward()
    gradients = (meta["means2d"].absgrad if absgrad else meta["means2d"].grad).clone()
    gradients[..., 0] *= meta["width"] / 2.0 * meta["n_cameras"]
    gradients[..., 1] *= meta["height"] / 2.0 * meta["n_cameras"]
    seen = (meta["radii"] > 0).all(dim=-1)
    ids = torch.where(seen)[1]
    norms = torch.zeros(60, dtype=torch.float64).index_add_(0, ids, gradients[seen].norm(dim=-1))
    counts = torch.zeros(60).index_add_(0, ids, torch.ones(len(ids)))
    assert (gradients[~seen] == 0).all()
    assert ((norms > 0) <= (counts > 0)).all()
    assert (norms > 0).double().mean() > 0.5
    assert (meta["radii"][seen].max(dim=-1).values > 0).all()
    assert meta["gaussian_ids"] is None


def test_two_forwards_alive_before_a_backward():
    def gradient(seed):
        scene = leaves(random_scene(seed=seed))
        return scene, (draw(scene)[0] ** 2).sum()

    alone = []
    for seed in (0, 1):
        scene, loss = gradient(seed)
        loss.backward()
        alone.append(scene["means"].grad)
    (first, loss_first), (second, loss_second) = gradient(0), gradient(1)
    loss_first.backward()
    loss_second.backward()
    torch.testing.assert_close(first["means"].grad, alone[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(second["means"].grad, alone[1], rtol=1e-12, atol=1e-12)


def test_second_backward_needs_retain_graph():
    scene = leaves(random_scene())
    loss = (draw(scene)[0] ** 2).sum()
    loss.backward(retain_graph=True)
    once = scene["means"].grad.clone()
    loss.backward()
    torch.testing.assert_close(scene["means"].grad, 2 * once)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@pytest.mark.parametrize("power", [1, 2])
def test_double_backward_is_refused(power):
    """Of a loss that is linear in the image too, where torch's own mark lets it pass as 0."""
    scene = leaves(random_scene())
    loss = (draw(scene)[0] ** power).sum() + (scene["means"] ** 3).sum()
    (gradient,) = torch.autograd.grad(loss, scene["means"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_no_gradients_where_none_are_asked_for():
    scene = random_scene()
    images, _, meta = draw(scene)
    assert not images.requires_grad
    with torch.no_grad():
        assert not draw(leaves(scene))[0].requires_grad
    scene["colors"].requires_grad_()
    images, _, meta = draw(scene)
    assert not meta["means2d"].requires_grad
    images.sum().backward()
    assert scene["colors"].grad.abs().sum() > 0


def test_memory_is_freed():
    """Buffers hold no cycle that would keep an evaluation's arrays until Python collects garbage."""

    def alive():
        return sum(type(thing) is Projection for thing in gc.get_objects())

    before = alive()
    loss = draw(leaves(random_scene()))[0].sum()
    assert alive() == before + 1
    loss.backward()
    del loss
    assert alive() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sparse_grad", True),
        ("distributed", True),
        ("camera_model", "ftheta"),
        ("with_ut", True),
        ("radial_coeffs", torch.zeros(1)),
        ("viewmats_rs", torch.zeros(1)),
        ("means", torch.zeros(1, 40, 3)),
    ],
)
def test_unsupported_arguments_are_named(name, value):
    with pytest.raises(NotImplementedError, match=name):
        draw(random_scene(), **{name: value})


def broken(name, index, value):
    scene = random_scene()
    scene[name] = scene[name].clone()
    scene[name][index] = value
    return scene


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: dict(means=torch.zeros(3, 2)), r"means has shape \(3, 2\); expected \(N, 3\)"),
        (lambda: dict(opacities=torch.zeros(39)), r"opacities has shape \(39,\); expected \(40,\)"),
        (lambda: dict(colors=torch.zeros(3, 40, 3)), r"colors has shape \(3, 40, 3\); expected \(2, 40, D\)"),
        (lambda: dict(colors=torch.zeros(40, 0)), "no channels"),
        (lambda: dict(covars=None), "quats is a NoneType"),
        (lambda: dict(backgrounds=torch.zeros(2, 4)), r"backgrounds has shape \(2, 4\); expected \(2, 3\)"),
        (lambda: dict(means=torch.zeros(40, 3, dtype=torch.int32)), "means has dtype torch.int32"),
        (lambda: dict(colors=torch.zeros(40, 3, dtype=torch.bfloat16)), "colors has dtype torch.bfloat16"),
        (
            lambda: dict(colors=torch.zeros(40, 3, device="meta")),
            "colors is on meta, means on cpu; expected one device",
        ),
        (lambda: dict(viewmats=torch.zeros(2, 3, 4)), r"viewmats has shape \(2, 3, 4\); expected \(C, 4, 4\)"),
        (lambda: dict(means=[1.0, 2.0, 3.0]), r"means is a list; expected a torch.Tensor \(N, 3\)"),
        (lambda: broken("means", (7, 1), torch.nan), r"means is not finite in 1 entries, first at index \(7, 1\)"),
        (lambda: broken("opacities", 5, -torch.inf), r"opacities is not finite in 1 entries, first at index \(5,\)"),
        (lambda: broken("Ks", (0, 0, 2), torch.nan), r"Ks is not finite in 1 entries, first at index \(0, 0, 2\)"),
        (lambda: broken("covars", (3, 0, 0), torch.inf), r"covars is not finite .* \(3, 0, 0\)"),
        (lambda: broken("Ks", (1, 0, 0), 0.0), r"Ks\[1\] has focal lengths"),
        (lambda: broken("viewmats", (1, slice(0, 3), 2), 0.0), r"viewmats\[1\] is singular"),
        (lambda: broken("viewmats", (0, 3, 0), 2.0), r"viewmats\[0\] ends with the row"),
        (lambda: dict(viewmats=torch.zeros(0, 4, 4), Ks=torch.zeros(0, 3, 3)), "no cameras"),
        (lambda: dict(width=0), "width is 0"),
        (lambda: dict(height=2.5), "height is 2.5"),
        (lambda: dict(height=float("nan")), "height is nan"),
        (lambda: dict(width="wide"), "width is 'wide'"),
        (lambda: dict(width=2**40), r"width is 1099511627776; expected a whole number of pixels from 1 to 2147483647"),
        (lambda: dict(near_plane=2.0, far_plane=1.0), "near_plane is 2.0"),
        (lambda: dict(eps2d=-1.0), "eps2d is -1.0"),
        (lambda: dict(far_plane=None), "far_plane is None; expected a number"),
        (lambda: dict(radius_clip="small"), "radius_clip is 'small'; expected a number"),
        (lambda: dict(render_mode="rgb"), "render_mode is 'rgb'; expected one of RGB, D, ED"),
        (lambda: dict(rasterize_mode="fast"), "rasterize_mode is 'fast'"),
        (lambda: dict(camera_model="mirror"), "camera_model is 'mirror'"),
        (lambda: dict(width=60_000, height=60_000), r"an array of 21600000000 numbers; .* draw fewer cameras"),
        (
            lambda: broken("covars", 3, -torch.eye(3)),
            r"semi-definite in 1 matrices, first covars\[3\] with eigenvalue -1",
        ),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InputError, match=message):
        draw({**random_scene(), **change()})


def test_numbers_of_torch_and_numpy_are_numbers():
    scene = random_scene(n=5)
    images = draw(scene, near_plane=torch.tensor(0.5), eps2d=np.float32(0.5), width=np.int64(37))[0]
    torch.testing.assert_close(images, draw(scene, near_plane=0.5, eps2d=0.5)[0], rtol=0, atol=0)


def test_a_world_of_other_units_is_no_singular_one():
    scene = random_scene(n=5)
    shrink = torch.diag(torch.tensor([1e-4, 1e-4, 1e-4, 1.0], dtype=torch.float64))
    small = {**scene, "viewmats": shrink @ scene["viewmats"], "near_plane": 1e-6}
    torch.testing.assert_close(draw(small)[0], draw({**scene, "near_plane": 1e-2})[0], rtol=0, atol=1e-9)


def test_a_quaternion_of_length_zero_is_named():
    scene = random_scene(n=3)
    quats = torch.ones(3, 4, dtype=torch.float64)
    quats[2] = 0
    with pytest.raises(InputError, match=r"quats\[2\] has length 0"):
        rasterization(quats=quats, scales=torch.ones(3, 3, dtype=torch.float64), **{**scene, "covars": None})


def test_indefinite_covariances_are_refused_and_flat_ones_are_not():
    a = torch.randn(200, 3, 3, dtype=torch.float64)
    flat = a * torch.tensor([1.0, 1e-3, 0.0], dtype=torch.float64)
    scene = random_scene(n=200)
    draw({**scene, "covars": flat @ flat.mT})
    values, axes = torch.linalg.eigh(scene["covars"])
    values[150, 0] = -0.01 * values[150, 2]
    with pytest.raises(InputError, match=r"covars\[150\] with eigenvalue -"):
        draw({**scene, "covars": axes @ torch.diag_embed(values) @ axes.mT})


def test_stages_draw_numbers_of_matrices_that_are_no_covariances():
    """Negative and indefinite matrices, unchecked: what has no positive footprint is left out."""
    scene = random_scene(n=40)
    scene["covars"] = scene["covars"] * torch.linspace(-30, 5, 40, dtype=torch.float64)[:, None, None]
    scene["covars"][::3, 0] *= -1
    scene = leaves(scene)
    settings = ProjectionSettings(scene["width"], scene["height"], antialiased=True)
    projected = project_gaussians(*(scene[name] for name in TENSORS[:3] + TENSORS[4:6]), settings)
    size = scene["width"], scene["height"]
    drawn = composite_gaussians(*projected, scene["colors"][None], scene["backgrounds"], *size)
    (drawn.colors.sum() + drawn.alphas.sum() + drawn.depths.sum()).backward()
    assert ((drawn.alphas >= 0) & (drawn.alphas <= 1)).all()
    assert all(torch.isfinite(tensor).all() for tensor in (drawn.colors, *(scene[name].grad for name in TENSORS)))


def everywhere(n):
    """Gaussians larger than the image."""
    scene = random_scene(n=n, cameras=1, width=256, height=256)
    scene["covars"] = 1e4 * torch.eye(3, dtype=torch.float64).expand(n, 3, 3)
    scene["means"] = 0.1 * scene["means"]
    return scene


def test_more_tile_hits_than_32_bits_say_how_many():
    with pytest.raises(InputError, match=r"tiles 2621440000 times, which takes 39.06 GiB"):
        draw(everywhere(40_000), tile_size=1)


def test_too_little_memory_says_how_much(monkeypatch):
    scene = everywhere(200)
    with monkeypatch.context() as patch:
        patch.setattr("bridge.compositing.available_bytes", lambda: 1000)
        with pytest.raises(
            InputError, match=r"tiles 204800 times, which takes 0.00 GiB, of which 0.00 GiB are available"
        ):
            draw(scene, tile_size=8)
        patch.setattr("bridge.memory.available_bytes", lambda: 2**20)
        with pytest.raises(
            InputError, match=r"1 images of 256×256 pixels .* need about 0.01 GiB of memory; 0.00 GiB are"
        ):
            draw(scene)


def test_squares_beyond_float32s_reach_are_no_mistake():
    scene = {**random_scene(n=3), "far_plane": 1e38}
    scene["means"] = torch.full((3, 3), 1e30)
    assert draw(scene)[0].isfinite().all()


@pytest.mark.runtime("cpu", "float32")
def test_numbers_beyond_float32s_reach_stay_finite():
    """Huge and tiny Gaussians, far and near: every output and gradient is a number."""
    scene = random_scene(n=40, dtype=torch.float32)
    factors = torch.logspace(-18, 18, 40)
    scene["covars"] = scene["covars"] * factors[:, None, None]
    scene["means"] = scene["means"] * factors.sqrt()[torch.randperm(40)][:, None]
    scene = leaves(scene)
    images, alphas, meta = draw(scene, render_mode="RGB+ED", rasterize_mode="antialiased")
    (images.sum() + alphas.sum()).backward()
    for tensor in (images, alphas, meta["means2d"], meta["conics"], *(scene[name].grad for name in TENSORS)):
        assert torch.isfinite(tensor).all()
