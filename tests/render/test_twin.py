"""The rasterizer against the plain torch twin: images, depth, alpha and every gradient."""

import pytest
import torch

from bridge.rasterization import rasterization
from tests.reference.rasterize import quaternion_covariance, rasterize
from tests.render.scenes import TENSORS, leaves, random_scene


def twin(scene, antialiased=False, camera_model="pinhole"):
    """Colours with accumulated depth as the last channel [C, H, W, D + 1], and alphas [C, H, W, 1]."""
    cameras = range(len(scene["viewmats"]))
    colors = scene["colors"]
    pictures = [
        rasterize(
            scene["means"],
            scene["covars"],
            scene["opacities"],
            colors[c] if colors.ndim == 3 else colors,
            scene["viewmats"][c],
            scene["Ks"][c],
            scene["width"],
            scene["height"],
            scene["backgrounds"][c],
            antialiased=antialiased,
            camera_model=camera_model,
        )
        for c in cameras
    ]
    images = torch.stack([torch.cat([p.image, p.depth[..., None]], dim=-1) for p in pictures])
    return images, torch.stack([p.alpha for p in pictures])[..., None]


def drawn(scene, antialiased=False, camera_model="pinhole"):
    modes = {"render_mode": "RGB+D", "rasterize_mode": "antialiased" if antialiased else "classic"}
    images, alphas, _ = rasterization(quats=None, scales=None, **scene, **modes, camera_model=camera_model)
    return images, alphas


def compare(scene, image_error, gradient_error, antialiased=False, camera_model="pinhole"):
    """Images and the gradients of a random linear function of them."""
    ours, reference = leaves(scene), leaves({k: v.double() if k in TENSORS else v for k, v in scene.items()})
    image, alpha = drawn(ours, antialiased, camera_model)
    image_ref, alpha_ref = twin(reference, antialiased, camera_model)
    assert alpha_ref.max() > 0.01  # something is seen
    assert (image - image_ref).abs().max() <= image_error
    assert (alpha - alpha_ref).abs().max() <= image_error
    seeds = torch.randn(image.shape, dtype=torch.float64), torch.randn(alpha.shape, dtype=torch.float64)
    ((image * seeds[0]).sum() + (alpha * seeds[1]).sum()).backward()
    ((image_ref * seeds[0]).sum() + (alpha_ref * seeds[1]).sum()).backward()
    for name in TENSORS:
        difference = (ours[name].grad - reference[name].grad).norm()
        assert difference <= gradient_error * max(float(reference[name].grad.norm()), 1e-6), name


@pytest.mark.parametrize("antialiased", [False, True])
def test_random_scene(antialiased):
    compare(random_scene(), 1e-8, 1e-8, antialiased)


def model_scene(camera_model, **options):
    """Gaussians from the axis to far beside it, for a camera of that model."""
    scene = random_scene(**options)
    if camera_model == "ortho":
        scene["Ks"][:, :2, :2] *= 0.3
    if camera_model == "fisheye":
        scene["means"] *= torch.linspace(0, 2.5, len(scene["means"]))[:, None].to(scene["means"])
        scene["Ks"][:, :2, :2] *= 0.5
    return scene


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("camera_model", ["ortho", "fisheye"])
def test_camera_models(camera_model, antialiased):
    compare(model_scene(camera_model), 1e-8, 1e-8, antialiased, camera_model)


def test_fisheye_on_its_axis_is_a_pinhole():
    """There both have the same J, and the same first derivative of J."""
    scene, gradients, images = special("one"), [], []
    scene["means"][:], scene["viewmats"][:] = 0.0, torch.eye(4, dtype=torch.float64)
    scene["means"][:, 2] = 2.0
    for camera_model in ("pinhole", "fisheye"):
        given = leaves(scene)
        image, _ = drawn(given, camera_model=camera_model)
        (image * torch.arange(image.numel()).reshape(image.shape).sin()).sum().backward()
        images.append(image.detach())
        gradients.append(given["means"].grad)
    torch.testing.assert_close(*images, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["random", "saturated", "opacity 0 and 1", "larger than the screen"])
def test_expected_depth(name):
    """The depth channel divided by alpha, 0 where nothing is seen, and its gradients."""
    ours, reference = (leaves(random_scene() if name == "random" else special(name)) for _ in range(2))
    image, alpha, _ = rasterization(quats=None, scales=None, **ours, render_mode="RGB+ED")
    expected, expected_alpha = twin(reference)
    depth = torch.where(expected_alpha > 0, expected[..., -1:] / expected_alpha.clamp(min=1e-10), 0.0)
    expected = torch.cat([expected[..., :-1], depth], dim=-1)
    assert (image - expected).abs().max() <= 1e-8
    seeds = torch.randn(image.shape, dtype=torch.float64), torch.randn(alpha.shape, dtype=torch.float64)
    ((image * seeds[0]).sum() + (alpha * seeds[1]).sum()).backward()
    ((expected * seeds[0]).sum() + (expected_alpha * seeds[1]).sum()).backward()
    for tensor in TENSORS:
        difference = (ours[tensor].grad - reference[tensor].grad).norm()
        assert difference <= 1e-8 * max(float(reference[tensor].grad.norm()), 1e-6), tensor


def test_colors_of_each_camera():
    scene = random_scene(cameras=3)
    scene["colors"] = torch.rand(3, 40, 3, dtype=torch.float64)
    compare(scene, 1e-8, 1e-8)


@pytest.mark.parametrize("channels", [1, 7, 65])
def test_any_number_of_channels(channels):
    compare(random_scene(n=20, cameras=1, channels=channels), 1e-8, 1e-8)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 33), (50, 3)])
def test_image_sizes(width, height):
    scene = random_scene(cameras=1, width=width, height=height)
    scene["Ks"][:, :2, :2] = torch.diag(torch.tensor([30.0, 25.0], dtype=torch.float64))
    compare(scene, 1e-8, 1e-8)


@pytest.mark.parametrize("tile_size", [4, 10, 64])
def test_the_image_does_not_depend_on_tiles(tile_size):
    scene = random_scene()
    images, _, meta = rasterization(quats=None, scales=None, **scene, tile_size=tile_size)
    expected, _, _ = rasterization(quats=None, scales=None, **scene)
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-12)
    assert meta["tile_width"] == -(-scene["width"] // tile_size)


def test_512_channels():
    compare(random_scene(n=8, cameras=1, channels=512, width=9, height=7), 1e-8, 1e-8)


def special(name):
    """Scenes at the edges of the model; each is one camera of 37 × 29 pixels."""
    scene = random_scene(n=12, cameras=1, seed=3)
    eye = torch.eye(3, dtype=torch.float64)
    if name == "one":
        return random_scene(n=1, cameras=1)
    if name == "in the guard band":
        scene["means"] = scene["means"] * torch.tensor([3.0, 3.0, 0.5], dtype=torch.float64)
        scene["covars"] = 0.3 * eye.expand(12, 3, 3)
    if name == "across the near plane":
        scene["means"][:, :2] *= 0.05
        scene["means"][:, 2] = torch.linspace(-3.5, -2.0, 12, dtype=torch.float64)
        scene["covars"] = 0.01 * scene["covars"]
    if name == "sub-pixel":
        scene["covars"] *= torch.logspace(-8, -2, 12, dtype=torch.float64)[:, None, None]
    if name == "needle":
        axis = torch.nn.functional.normalize(torch.randn(12, 3, dtype=torch.float64), dim=1)
        scene["covars"] = axis[:, :, None] * axis[:, None, :] + 1e-6 * eye
    if name == "flat":
        scene["covars"] = torch.diag(torch.tensor([0.1, 0.1, 0.0], dtype=torch.float64)).expand(12, 3, 3)
    if name == "larger than the screen":
        scene["covars"] = 25.0 * eye.expand(12, 3, 3)
    if name == "opacity 0 and 1":
        scene["opacities"] = torch.arange(12, dtype=torch.float64) % 2
    if name == "saturated":
        scene["opacities"][:] = 0.99
        scene["covars"] = eye.expand(12, 3, 3)
    if name == "equal depths":
        scene["viewmats"][:, :3, :3] = eye
        scene["means"][:, 2] = 0.25
    if name == "all in one place":
        scene["means"][:] = scene["means"][0]
    if name == "around the camera":
        scene["covars"] = 4.0 * eye.expand(12, 3, 3)
        scene["means"][:, 2] = torch.linspace(-3.2, -2.8, 12, dtype=torch.float64)
        scene["opacities"] = 0.1 * scene["opacities"]
    if name == "skewed intrinsics":
        scene["Ks"][:, 0, 1] = 4.0
    return scene


EDGE_CASES = (
    "one",
    "in the guard band",
    "across the near plane",
    "sub-pixel",
    "needle",
    "flat",
    "larger than the screen",
    "opacity 0 and 1",
    "saturated",
    "equal depths",
    "all in one place",
    "around the camera",
    "skewed intrinsics",
)


@pytest.mark.parametrize("name", EDGE_CASES)
def test_edge_cases(name):
    compare(special(name), 1e-8, 1e-8)
    compare(special(name), 1e-8, 1e-8, antialiased=True)


def test_more_than_a_thousand_gaussians_in_a_tile():
    scene = random_scene(n=1500, cameras=1, width=16, height=16)
    scene["covars"] = 1e-2 * scene["covars"]
    scene["opacities"] = 0.1 * scene["opacities"]
    compare(scene, 1e-8, 1e-8)


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("antialiased", [False, True])
def test_float32(antialiased):
    compare(random_scene(dtype=torch.float32, seed=1), 2e-5, 1e-4, antialiased)


ROUNDED = [name for name in EDGE_CASES if name != "needle"]
"""Cases that float32 draws as exactly as others. The width of a needle, 1 to 1000, is a difference of its covariance's
numbers, which leaves float32 three digits of it; given by its axes it is drawn exactly, see below."""


def compare_rounded(name):
    scene = {key: value.float() if key in TENSORS else value for key, value in special(name).items()}
    compare(scene, 2e-5, 1e-4)
    compare(scene, 2e-5, 1e-4, antialiased=True)


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("name", ROUNDED)
def test_edge_cases_in_float32(name):
    compare_rounded(name)


@pytest.mark.runtime("vulkan", "float32")
@pytest.mark.parametrize("name", ROUNDED)
def test_edge_cases_on_vulkan(name):
    compare_rounded(name)


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("camera_model", ["ortho", "fisheye"])
def test_camera_models_in_float32(camera_model):
    compare(model_scene(camera_model, dtype=torch.float32, seed=1), 2e-5, 1e-4, camera_model=camera_model)


@pytest.mark.runtime("vulkan", "float32")
def test_fisheye_on_vulkan():
    compare(model_scene("fisheye", n=20, dtype=torch.float32, seed=1), 2e-5, 1e-4, camera_model="fisheye")


@pytest.mark.runtime("vulkan", "float32")
def test_vulkan():
    compare(random_scene(n=20, dtype=torch.float32, channels=5, seed=1), 2e-5, 1e-4, antialiased=True)


@pytest.mark.runtime("cpu", "float32")
@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize(
    ("scales", "image_error", "gradient_error"),
    [((1.0, 1e-3, 1e-3), 3e-5, 5e-4), ((0.5, 0.5, 1e-4), 2e-5, 1e-4)],
    ids=["needles", "flakes"],
)
def test_thin_gaussians_given_by_their_axes_in_float32(scales, image_error, gradient_error, antialiased):
    """The determinants of their images are sums of squares, not differences of large numbers.

    Of a needle the gradient by its width is the least exact.
    """
    scene = {k: v.float() if k in TENSORS else v for k, v in random_scene(n=12, cameras=1, seed=3).items()}
    shapes = {"quats": torch.randn(12, 4), "scales": torch.tensor(scales).expand(12, 3).clone()}
    ours = {name: scene[name].clone().requires_grad_() for name in ("means", "opacities")}
    ours |= {name: shape.clone().requires_grad_() for name, shape in shapes.items()}
    others = {name: value for name, value in scene.items() if name not in (*ours, "covars")}
    mode = "antialiased" if antialiased else "classic"
    image, alpha, _ = rasterization(**ours, **others, render_mode="RGB+D", rasterize_mode=mode)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in ours.items()}
    doubles = {name: value.double() if name in TENSORS else value for name, value in others.items()}
    covars = quaternion_covariance(exact["quats"], exact["scales"])
    given = {"means": exact["means"], "opacities": exact["opacities"], "covars": covars}
    image_ref, alpha_ref = twin({**doubles, **given}, antialiased)
    assert alpha_ref.max() > 0.01
    assert (image - image_ref).abs().max() <= image_error
    seeds = torch.randn(image.shape), torch.randn(alpha.shape)
    ((image * seeds[0]).sum() + (alpha * seeds[1]).sum()).backward()
    ((image_ref * seeds[0]).sum() + (alpha_ref * seeds[1]).sum()).backward()
    for name, tensor in ours.items():
        assert (tensor.grad - exact[name].grad).norm() <= gradient_error * exact[name].grad.norm(), name
