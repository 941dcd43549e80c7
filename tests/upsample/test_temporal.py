"""Over 60 frames: a still body's silhouette stays, and points that move do so with those around them."""

import pytest
import torch
from scipy.spatial import cKDTree

from bridge.renderer import GSRenderer3DGS
from bridge.surface import SurfaceHistory
from render.cameras import look_at
from tests.upsample.test_children import ball, eyes, upsampler
from tests.upsample.test_gaussians import SPACING

FRAMES = 60
SIZE = 160
MOST_PIXELS = 0.001
"""Largest share of the image's pixels by which the silhouette may differ from one frame to the next."""
NEIGHBOURS = 8
EXCESS = 0.05
"""By how much a point may move farther in a frame than the farthest of its neighbours, over what that one moves."""


def silhouette(splats):
    renderer = GSRenderer3DGS(SIZE, SIZE, 0.5, 0.5, look_at((1, 2, -6)).T, None, device="cpu")
    with torch.no_grad():
        return renderer.render(splats.means, splats.covars)["alpha"][0] > 0.5


@pytest.mark.parametrize("m", [None, 3000])
def test_the_silhouette_of_a_still_body_stays(m):
    """Each frame detects anew, on particles that tremble by a hundredth of a spacing; with M, they are drawn so too.

    (Without M each Gaussian sits at one particle and trembles as that does: there it is the selection that must stay.)
    """
    _, x = ball()
    module, history, generator = upsampler(M=m, sigma0=0.7), SurfaceHistory(), torch.Generator().manual_seed(0)
    before, worst = None, 0.0
    for _ in range(FRAMES):
        trembling = x + 0.01 * SPACING * torch.randn(x.shape, generator=generator, dtype=x.dtype)
        drawn = x if m is None else trembling
        now = silhouette(module(drawn, eyes(x), module.detect(trembling, history=history)))
        if before is not None:
            worst = max(worst, float((now != before).float().mean()))
        before = now
    assert before.float().mean() > 0.1
    assert worst <= MOST_PIXELS


def morph(x, t):
    """A ball that is drawn out, bent and twisted, and the deformation gradients of that, at t in [0, 1]."""

    def move(p):
        x, y, z = p
        angle = 1.5 * t * z
        cos, sin = torch.cos(angle), torch.sin(angle)
        x, y = cos * x - sin * y, sin * x + cos * y
        return torch.stack([(1 - 0.3 * t) * x + 0.2 * t * z**2, (1 + 0.2 * t) * y, (1 + 0.8 * t) * z])

    return torch.func.vmap(move)(x), torch.func.vmap(torch.func.jacrev(move))(x)


@pytest.mark.parametrize("again", [None, 15])
def test_no_point_of_a_morph_jumps(again):
    """Also where the surface is detected ``again`` every few frames: points that are kept are where they were."""
    _, x = ball()
    module, history = upsampler(M=3000), SurfaceHistory()
    surface, before, worst = module.detect(x, history=history), None, 0.0
    with torch.no_grad():
        for frame in range(FRAMES):
            y, F = morph(x, frame / (FRAMES - 1))
            kept = torch.ones(3000, dtype=torch.bool)
            if again is not None and frame % again == again - 1:
                earlier, surface = surface, module.detect(y, F, history)
                kept = (earlier.children.offsets == surface.children.offsets).all(dim=(1, 2))
                assert kept.float().mean() > 0.8
            means = module(y, F, surface).means
            if before is not None:
                path = (means - before).norm(dim=1)[kept]
                near = torch.from_numpy(cKDTree(means[kept]).query(means[kept], k=NEIGHBOURS + 1)[1][:, 1:])
                worst = max(worst, float((path / path[near].max(dim=1).values).max()))
            before = means
    assert worst <= 1 + EXCESS
